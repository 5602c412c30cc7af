import { describe, expect, it } from "vitest";
import { headProblem } from "./request-checks.ts";

const problem = (rawHeaders: string[], method = "POST", httpVersion = "1.1") =>
  headProblem({ method, httpVersion, rawHeaders: ["Host", "api.test", ...rawHeaders] });

describe("a request's head", () => {
  it("passes as clients write it", () => {
    expect(problem(["Content-Length", "3", "Accept", "a", "Accept", "b"])).toBeUndefined();
    expect(problem(["Transfer-Encoding", "chunked"])).toBeUndefined();
    expect(problem([], "GET", "1.0")).toBeUndefined();
  });

  it.each([
    ["both framings", ["Content-Length", "3", "Transfer-Encoding", "chunked"]],
    ["two lengths", ["Content-Length", "3", "Content-Length", "3"]],
    ["a list of lengths", ["Content-Length", "3, 3"]],
    ["a length with a sign", ["Content-Length", "+3"]],
    ["a length in hex", ["Content-Length", "0x3"]],
    ["a length in disguise", ["Content_Length", "3"]],
    ["another coding", ["Transfer-Encoding", "gzip, chunked"]],
    ["a coding in capitals", ["Transfer-Encoding", "Chunked"]],
    ["two hosts", ["Host", "api.test"]],
    ["two authorizations", ["Authorization", "a", "authorization", "b"]],
    ["a control character", ["X-A", "a\x0bb"]],
    ["more headers than allowed", Array.from({ length: 202 }, () => "x")],
  ])("with %s is refused", (_what, headers) => {
    expect(problem(headers)).toEqual(expect.any(String));
  });

  it("with TRACE, without Host, of another version is refused", () => {
    expect(problem([], "TRACE")).toContain("TRACE");
    expect(headProblem({ method: "GET", httpVersion: "1.1", rawHeaders: [] })).toContain("Host");
    expect(problem([], "GET", "2.0")).toContain("HTTP/1.1");
  });

  it("with chunks in HTTP/1.0 is refused", () => {
    expect(problem(["Transfer-Encoding", "chunked"], "POST", "1.0")).toContain("coding");
  });
});
