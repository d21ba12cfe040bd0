// The seccomp filter compiled ahead. crun compiles it with libseccomp for every container, which doubles what a short step costs; here
// the same library does it once, as a balanced tree, and every container gets the finished program.

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, readFileSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ForeignFunction, loadLibrary, openMemoryFile } from '../sys/index.ts';
import type { SeccompArgument, SeccompFilter } from './seccomp.ts';

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
/** `SCMP_FLTATR_CTL_OPTIMIZE` and its value for a binary tree (seccomp.h). */
const OPTIMIZE = 8;
const TREE = 2;
const UNKNOWN = -1;

/** `SCMP_ARCH_*`: the kernel's AUDIT_ARCH values. */
const ARCHITECTURES: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
};

const OPERATORS: Readonly<Record<SeccompArgument['op'], number>> = {
  SCMP_CMP_LT: 2,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** The program (an array of `sock_filter`) for a filter, or undefined where libseccomp cannot be loaded or refuses: the runtime compiles then. */
export function compileSeccomp(filter: SeccompFilter): Buffer | undefined {
  const library = loadSeccomp();
  if (library === undefined) return undefined;
  const context = library.init(ERRNO | filter.defaultErrnoRet);
  if (context === null) return undefined;
  try {
    for (const architecture of filter.architectures) library.archAdd(context, ARCHITECTURES[architecture] ?? 0);
    library.attrSet(context, OPTIMIZE, TREE);
    for (const rule of filter.syscalls) {
      const action = rule.action === 'SCMP_ACT_ALLOW' ? ALLOW : ERRNO | (rule.errnoRet ?? filter.defaultErrnoRet);
      const args = Buffer.concat((rule.args ?? []).map(argument));
      for (const name of rule.names) {
        const number = library.resolve(name) as number;
        if (number === UNKNOWN) continue;
        if (library.ruleAdd(context, action, number, rule.args?.length ?? 0, args) !== 0) return undefined;
      }
    }
    return exported(library, context);
  } finally {
    library.release(context);
  }
}

/**
 * `compileSeccomp` remembered in this process and in `folder`. `version` changes when the machine's libraries may have: a newer libseccomp
 * knows more system calls.
 */
export function seccompCache(folder: string, version: string): (filter: SeccompFilter) => Buffer | undefined {
  const known = new Map<string, Buffer | undefined>();
  return (filter) => {
    const key = createHash('sha256').update(version).update(JSON.stringify(filter)).digest('hex');
    if (known.has(key)) return known.get(key);
    const file = join(folder, `${key}.seccomp`);
    const program = readProgram(file) ?? storeProgram(file, compileSeccomp(filter));
    known.set(key, program);
    return program;
  };
}

/** Bytes before the program: its digest. A disk that lost some must not keep every step from starting, or let one do more. */
const DIGEST = 32;

function readProgram(file: string): Buffer | undefined {
  try {
    const bytes = readFileSync(file);
    const program = bytes.subarray(DIGEST);
    return program.length > 0 && digestOf(program).equals(bytes.subarray(0, DIGEST)) ? program : undefined;
  } catch {
    return undefined;
  }
}

/** Kept if it can be: without it the next process compiles it again. */
function storeProgram(file: string, program: Buffer | undefined): Buffer | undefined {
  if (program === undefined) return undefined;
  const temporary = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, Buffer.concat([digestOf(program), program]), { mode: 0o600 });
    renameSync(temporary, file);
  } catch {
    rmSync(temporary, { force: true });
  }
  return program;
}

function digestOf(program: Uint8Array): Buffer {
  return createHash('sha256').update(program).digest();
}

/** `struct scmp_arg_cmp`. */
function argument(condition: SeccompArgument): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(condition.index, 0);
  bytes.writeUInt32LE(OPERATORS[condition.op], 4);
  bytes.writeBigUInt64LE(BigInt(condition.value), 8);
  bytes.writeBigUInt64LE(BigInt(condition.valueTwo ?? 0), 16);
  return bytes;
}

function exported(library: Library, context: unknown): Buffer | undefined {
  const fd = openMemoryFile('seccomp');
  try {
    if (library.exportBpf(context, fd) !== 0) return undefined;
    const bytes = Buffer.alloc(fstatSync(fd).size);
    readSync(fd, bytes, 0, bytes.length, 0);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

type Library = Readonly<Record<'init' | 'release' | 'archAdd' | 'attrSet' | 'resolve' | 'ruleAdd' | 'exportBpf', ForeignFunction>>;

function loadSeccomp(): Library | undefined {
  try {
    const library = loadLibrary('libseccomp.so.2');
    return {
      init: library.func('void *seccomp_init(uint32_t action)'),
      release: library.func('void seccomp_release(void *context)'),
      archAdd: library.func('int seccomp_arch_add(void *context, uint32_t token)'),
      attrSet: library.func('int seccomp_attr_set(void *context, int attribute, uint32_t value)'),
      resolve: library.func('int seccomp_syscall_resolve_name(const char *name)'),
      ruleAdd: library.func('int seccomp_rule_add_array(void *context, uint32_t action, int number, uint32_t count, const void *args)'),
      exportBpf: library.func('int seccomp_export_bpf(void *context, int fd)'),
    };
  } catch {
    return undefined;
  }
}
