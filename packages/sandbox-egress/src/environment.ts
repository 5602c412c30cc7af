/**
 * The variables by which curl, git, Node, Python and Java find the proxy and trust its certificates.
 *
 * @param proxyUrl as seen inside, `http://127.0.0.1:3128`
 * @param caFile path inside, PEM: the system's authorities and the sandbox's own, since most of these replace, not add
 * @param javaTrustStore path inside, of the same as `javaTrustStore` makes it. Without it Java finds the proxy, and the
 *   hosts with a placeholder are out of its reach.
 */
export function environmentFor(
  proxyUrl: string,
  caFile: string,
  javaTrustStore?: string,
): Record<string, string> {
  const { hostname, port } = new URL(proxyUrl);
  const proxy = Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [
      [name, proxyUrl],
      [name.toLowerCase(), proxyUrl],
    ]),
  );
  const java = ["http", "https"].flatMap((scheme) => [
    `-D${scheme}.proxyHost=${hostname}`,
    `-D${scheme}.proxyPort=${port}`,
  ]);
  const trust =
    javaTrustStore === undefined
      ? []
      : [`-Djavax.net.ssl.trustStore=${javaTrustStore}`, "-Djavax.net.ssl.trustStoreType=PKCS12"];
  return {
    ...proxy,
    // Nothing goes around it: there is no other way out.
    NO_PROXY: "",
    no_proxy: "",
    NODE_USE_ENV_PROXY: "1",
    NODE_EXTRA_CA_CERTS: caFile,
    SSL_CERT_FILE: caFile,
    REQUESTS_CA_BUNDLE: caFile,
    PIP_CERT: caFile,
    CURL_CA_BUNDLE: caFile,
    GIT_SSL_CAINFO: caFile,
    JAVA_TOOL_OPTIONS: [...java, "-Dhttp.nonProxyHosts=", ...trust].join(" "),
  };
}
