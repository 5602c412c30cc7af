import { type Condition, type Rule, rules } from "./table.ts";

export type Architecture = "x64" | "arm64";

/** One instruction of classic BPF, as in linux/filter.h: struct sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly k: number;
}

export const code = {
  load: 0x20,
  jumpEqual: 0x15,
  jumpAtLeast: 0x35,
  jumpSet: 0x45,
  and: 0x54,
  answer: 0x06,
};
export const answers = { allow: 0x7fff0000, errno: 0x00050000, killProcess: 0x80000000 };
/** AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64 of linux/audit.h. */
export const auditArch: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** __X32_SYSCALL_BIT: the same calls under other numbers, which a table of numbers would not see. */
const x32 = 0x40000000;

/** Where struct seccomp_data has them. Both architectures are little-endian: the low half comes first. */
const at = { number: 0, arch: 4, argument: (index: number) => 16 + 8 * index };

const load = (offset: number): Instruction => ({ code: code.load, jumpTrue: 0, jumpFalse: 0, k: offset });
const answer = (k: number): Instruction => ({ code: code.answer, jumpTrue: 0, jumpFalse: 0, k });
const jump = (kind: number, k: number, [jumpTrue, jumpFalse]: readonly [number, number]): Instruction => ({
  code: kind,
  jumpTrue,
  jumpFalse,
  k,
});

/**
 * The filter of one architecture. A foreign architecture (a 32-bit call on a 64-bit kernel) and x32 end the process.
 * Each call is one closed block: its number is compared, and every path through its body ends in an answer, so no jump
 * ever leaves a block for anything but the next one. `table` is given by tests alone.
 */
export function seccompProgram(arch: Architecture, table: readonly Rule[] = rules): readonly Instruction[] {
  const blocks = byNumber(table, arch).flatMap(([number, ofCall]) => {
    const refusals = ofCall.flatMap(refusal);
    const closed = ofCall.some(({ when }) => "always" in when);
    const body = closed ? refusals : [...refusals, answer(answers.allow)];
    return [jump(code.jumpEqual, number, [0, body.length]), ...body];
  });
  const native = arch === "x64" ? [jump(code.jumpAtLeast, x32, [0, 1]), answer(answers.killProcess)] : [];
  return [
    load(at.arch),
    jump(code.jumpEqual, auditArch[arch], [1, 0]),
    answer(answers.killProcess),
    load(at.number),
    ...native,
    ...blocks,
    answer(answers.allow),
  ];
}

function byNumber(
  table: readonly Rule[],
  arch: Architecture,
): readonly (readonly [number, readonly Rule[]])[] {
  const calls = new Map<number, Rule[]>();
  for (const rule of table) {
    const number = rule.number[arch];
    if (number !== undefined) calls.set(number, [...(calls.get(number) ?? []), rule]);
  }
  return [...calls];
}

/** Answers with the rule's error where its condition holds; else falls through to what follows. */
function refusal({ when, errno }: Rule): readonly Instruction[] {
  const refuse = answer(answers.errno | errno);
  if ("always" in when) return [refuse];
  return [load(at.argument(when.argument)), ...test(when), refuse];
}

/** Jumps over the next instruction, the refusal, where the condition does not hold. */
function test(when: Exclude<Condition, { always: true }>): readonly Instruction[] {
  if ("anyBit" in when) return [jump(code.jumpSet, when.anyBit, [0, 1])];
  if ("oneOf" in when) {
    const last = when.oneOf.length - 1;
    return when.oneOf.map((value, index) =>
      jump(code.jumpEqual, value, [last - index, index === last ? 1 : 0]),
    );
  }
  const masked = { code: code.and, jumpTrue: 0, jumpFalse: 0, k: when.mask };
  const all = when.notOneOf.length;
  return [masked, ...when.notOneOf.map((value, index) => jump(code.jumpEqual, value, [all - index, 0]))];
}

/** As bubblewrap and the kernel read it: 8 bytes an instruction, in the order of bytes of this machine's kind. */
export function encodeProgram(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code: operation, jumpTrue, jumpFalse, k }] of program.entries()) {
    bytes.writeUInt16LE(operation, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  }
  return bytes;
}
