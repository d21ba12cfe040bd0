// A fuzzer's loop: inputs by seed until the time is up, or as many as were asked for. Each input has bounded processor time and the process bounded memory.

const INPUT_MS = 1000;
const MEMORY_BYTES = 1024 * 1024 * 1024;
/** An input that waits this long is a hang, whatever the machine is doing. */
const HANG_MS = 60_000;

/**
 * Runs `check` with one seed after another for `SECONDS`, or with `INPUTS` of them however long they take; prints the seed of an input that
 * fails, and sets the exit code.
 */
export async function soak(what: string, check: (seed: number) => void | Promise<void>): Promise<void> {
  const seconds = Number(process.env['SECONDS'] ?? process.argv[2] ?? 600);
  const first = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
  const inputs = process.env['INPUTS'] === undefined ? undefined : Number(process.env['INPUTS']);
  const end = performance.now() + seconds * 1000;
  let seed = first;
  let slowest = 0;
  console.log(`fuzzing ${what} for ${inputs === undefined ? `${seconds} s` : `${inputs} inputs`} from seed ${first}`);
  for (; inputs === undefined ? performance.now() < end : seed - first < inputs; seed += 1) {
    const started = process.cpuUsage();
    const watch = setTimeout(() => {
      console.error(`seed ${seed} hangs`);
      process.exit(1);
    }, HANG_MS);
    try {
      await check(seed);
    } catch (error) {
      console.error(`failed with seed ${seed}`, error);
      process.exitCode = 1;
      return;
    } finally {
      clearTimeout(watch);
    }
    const { user, system } = process.cpuUsage(started);
    const took = (user + system) / 1000; // processor time: others may be using the machine
    slowest = Math.max(slowest, took);
    if (took > INPUT_MS || process.memoryUsage().rss > MEMORY_BYTES) {
      console.error(`seed ${seed} took ${took.toFixed(0)} ms, memory is ${process.memoryUsage().rss} bytes`);
      process.exitCode = 1;
      return;
    }
  }
  console.log(`${seed - first} inputs, slowest ${slowest.toFixed(0)} ms`);
}
