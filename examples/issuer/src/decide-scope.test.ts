import { describe, expect, it } from "vitest";
import { decideScope } from "./decide-scope.ts";

describe("the scopes of a token for one resource", () => {
  it("are those that the resource offers and the client may have", () => {
    const ask = {
      resource: "mcp:orders mcp:orders:admin",
      client: "mcp:orders mcp:tickets",
      wanted: "mcp:orders",
    };
    expect(decideScope(ask)).toEqual({ scope: "mcp:orders" });
  });

  it("are all of the resource's for a client that registered itself", () => {
    expect(decideScope({ resource: "mcp:orders", client: undefined, wanted: "openid" })).toEqual({
      scope: "mcp:orders",
    });
  });

  it("are refused at an unknown resource", () => {
    expect(decideScope({ resource: undefined, client: undefined, wanted: "" })).toMatchObject({
      refused: "invalid_target",
    });
  });

  it("are refused at a resource that the client has no scope of, even when it asks for none", () => {
    const ask = { resource: "mcp:tickets", client: "mcp:orders", wanted: "" };
    expect(decideScope(ask)).toMatchObject({ refused: "invalid_target" });
  });

  it("are refused when the client asks for more than it may have", () => {
    const ask = { resource: "mcp:orders", client: "mcp:orders", wanted: "mcp:orders mcp:tickets" };
    expect(decideScope(ask)).toMatchObject({ refused: "invalid_scope" });
  });
});
