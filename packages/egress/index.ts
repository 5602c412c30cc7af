/**
 * An address one may dial, and a credential placed into what goes there.
 *
 * A route names one upstream. Its name is resolved once per socket, every answer is judged (`src/guard.ts`), and the
 * socket goes to the very address that was judged: no second look-up that could answer otherwise, no redirect off the
 * route, no socket shared between two credentials. A guarded address is dialled only where the route itself says it,
 * and the metadata services of clouds never are.
 */
export { EgressError, type EgressErrorCode } from "./src/egress-error.ts";
export { type AddressVerdict, judgeAddress } from "./src/guard.ts";
export { forwardableRequestHeaders, forwardableResponseHeaders, type Header } from "./src/headers.ts";
export {
  type CredentialMaterial,
  type EnvironmentPlacement,
  type PlacedRequest,
  type Placement,
  placeInEnvironment,
  placeInRequest,
  type RequestPlacement,
} from "./src/place.ts";
export { Pools, type PoolsOptions } from "./src/pools.ts";
export { type AllowedAddress, type Resolver, resolveAllowed, systemResolver } from "./src/resolve.ts";
export { parseTarget, type UpstreamTarget } from "./src/route.ts";
export {
  asEgressError,
  isRedirect,
  openUpstream,
  type Upstream,
  type UpstreamHandler,
  type UpstreamLimits,
  type UpstreamOptions,
  type UpstreamRequest,
} from "./src/upstream.ts";
