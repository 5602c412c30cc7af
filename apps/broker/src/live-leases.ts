import type { LeaseLedger } from "./lease-ledger.ts";

export interface LiveCount {
  ofSession: number;
  ofConnector: number;
}

/** Asks in progress count as leases already, or a burst would pass the bound before the first is in the ledger. */
export function liveLeases(ledger: Pick<LeaseLedger, "of">) {
  const inProgress = new Map<string, number>();
  const count = (key: string) => inProgress.get(key) ?? 0;
  const add = (key: string, by: number) => {
    if (count(key) + by > 0) inProgress.set(key, count(key) + by);
    else inProgress.delete(key);
  };
  return {
    begin: (connector: string, session: string): Disposable & { others(): LiveCount } => {
      const [ofConnector, ofSession] = [connector, `${connector} ${session}`];
      add(ofConnector, 1);
      add(ofSession, 1);
      return {
        others: () => ({
          ofSession: ledger.of(connector, session).length + count(ofSession) - 1,
          ofConnector: ledger.of(connector).length + count(ofConnector) - 1,
        }),
        [Symbol.dispose]: () => {
          add(ofConnector, -1);
          add(ofSession, -1);
        },
      };
    },
  };
}
