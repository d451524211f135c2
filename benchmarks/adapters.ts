/**
 * `npm run bench:adapters`: what adapters cost a generation on SmolLM2-135M's shape with random weights, fp32, two
 * threads, eight prompts of 64 tokens. Variants take turns, so that their ratios are of one run; `merged` is the base's own
 * program over merged weights.
 */
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import {
  type AdapterPool,
  type Backend,
  createAdapterPool,
  createParameterStore,
  createTokenGenerator,
  elementCount,
  type GenerateOptions,
  type Handle,
  type Method,
  memoryTensor,
  mergeInPlace,
  type ParameterStore,
  peftName,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { llama } from '@tunesmith/models';
import { median } from './median.js';
import { shapes } from './step-options.js';

const quick = process.argv.includes('--quick');
const repetitions = quick ? 1 : 5;
const newTokens = quick ? 4 : 16;
const rows = 8;
const config = llama.parseConfig(shapes[quick ? 'bundled' : 'smollm2-135m']);
const prompts = Array.from({ length: rows }, (_, row) =>
  Array.from({ length: 64 }, (_, index) => (row * 7919 + index * 104729) % 3000),
);

let state = 1;
/** A cheap generator: the values only have to be of a usual size. */
function valuesOf({ shape, path }: Pick<Handle, 'shape' | 'path'>): Float32Array {
  const [middle, spread] = shape.length === 1 || path.endsWith('ia3_l') ? [1, 0.05] : [0, 0.05];
  return Float32Array.from({ length: elementCount(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return middle + (state / 2 ** 31) * spread;
  });
}

/** A backend that times what it compiles. */
function timed(backend: Backend): { backend: Backend; seconds: number[] } {
  const seconds: number[] = [];
  return {
    seconds,
    backend: {
      name: backend.name,
      createStore: () => backend.createStore(),
      async compile(program, store) {
        const start = performance.now();
        const executable = await backend.compile(program, store);
        seconds.push((performance.now() - start) / 1000);
        return executable;
      },
    },
  };
}

async function addAdapter(pool: AdapterPool, parameters: ParameterStore, name: string, method: Method): Promise<void> {
  // What the adapter holds is read off a model with it.
  const { model } = createAdapterPool({ family: llama, config, methods: [method], parameters });
  const tensors = new Map(
    model.ownedBy(method).map((handle) => {
      const own = method.adapterName?.(handle) ?? peftName(handle.path);
      return [own, memoryTensor(own, handle.shape, valuesOf(handle))];
    }),
  );
  await pool.add(name, [{ method, tensors: { names: () => [...tensors.keys()], get: (own) => tensors.get(own) } }]);
}

type Variant = { readonly name: string; readonly adapters: NonNullable<GenerateOptions['adapters']> | null };

const cycle = (names: readonly string[]) => (row: number) => names[row % names.length] as string;
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `a${index}`);
const variants: readonly Variant[] = [
  { name: 'merged', adapters: null },
  { name: 'one, picked', adapters: 'a0' },
  { name: 'two, stacked', adapters: ['a0', 'a1'] },
  { name: 'two, by row', adapters: cycle(numbered(2)) },
  { name: 'four, by row', adapters: cycle(numbered(4)) },
  { name: 'eight, by row', adapters: cycle(numbered(8)) },
  { name: 'one and IA³, by row', adapters: cycle(['a0', 'scaled']) },
];

const methods = {
  'q and v': () => lora({ rank: 8, alpha: 16 }),
  'all linear': () => lora({ rank: 8, alpha: 16, targetModules: 'all-linear' }),
};

const ratio = (value: number, base: number): string => (value / base).toFixed(2);

for (const [targets, make] of Object.entries(methods)) {
  const { backend, seconds: compiled } = timed(createOnnxBackend({ device: 'cpu', threads: 2 }));
  const parameters = createParameterStore(backend.createStore());
  const pool = createAdapterPool({ family: llama, config, parameters });
  for (const handle of pool.model.handles) await parameters.write(handle, valuesOf(handle));
  for (const name of numbered(8)) await addAdapter(pool, parameters, name, make());
  await addAdapter(pool, parameters, 'scaled', ia3());
  const generator = createTokenGenerator({
    ...{ model: pool.model, parameters, backend, adapters: pool },
    ...{ eosTokens: [], padToken: 0 },
  });

  /** Seconds to the first token and per token after it, and what was said. */
  async function run(adapters: Variant['adapters']) {
    const said: number[][] = prompts.map(() => []);
    const moments = [performance.now()];
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: newTokens, adapters })) {
      said[row]?.push(token);
      if (row === rows - 1) moments.push(performance.now());
    }
    const lasting = moments.slice(1).map((moment, index) => (moment - (moments[index] as number)) / 1000);
    return { prompt: lasting[0] as number, decode: median(lasting.slice(1)), said };
  }

  console.log(`\nLoRA r = 8 on ${targets}\n`);
  console.log('| adapters | prompt s | of merged | token s | of merged | compile s |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  const times = variants.map(() => ({ prompt: [] as number[], decode: [] as number[], compile: 0 }));
  // Each variant's programs are compiled, used and released before the next: the cache holds a few.
  for (const [index, { adapters }] of variants.entries()) {
    const before = compiled.length;
    await run(adapters);
    (times[index] as (typeof times)[number]).compile = compiled.slice(before).reduce((sum, each) => sum + each, 0);
  }
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [index, { adapters }] of variants.entries()) {
      // Compiled anew where the cache has let it go: only what runs afterwards counts.
      await run(adapters);
      const { prompt, decode } = await run(adapters);
      times[index]?.prompt.push(prompt);
      times[index]?.decode.push(decode);
    }
  }
  const [merged] = times.map(({ prompt, decode }) => ({ prompt: median(prompt), decode: median(decode) }));
  for (const [index, { name }] of variants.entries()) {
    const { prompt, decode, compile } = times[index] as (typeof times)[number];
    const [p, d] = [median(prompt), median(decode)];
    const cells = [name, p.toFixed(3), ratio(p, merged?.prompt ?? p), d.toFixed(4), ratio(d, merged?.decode ?? d)];
    console.log(`| ${[...cells, compile.toFixed(2)].join(' | ')} |`);
  }

  const swaps: number[] = [];
  for (let count = 0; count < 50; count++) {
    const start = performance.now();
    pool.place([[`a${count % 8}`]]).release();
    swaps.push((performance.now() - start) / 1000);
  }
  await run('a0');
  const before = compiled.length;
  await run('a1');
  const compilation = times[1]?.compile ?? 0;
  console.log(
    `\nswap ${(1e3 * median(swaps)).toFixed(2)} ms, programs compiled by a generation after it: ${compiled.length - before}; ` +
      `compiling one adapter's two programs ${compilation.toFixed(2)} s = ${Math.round(compilation / median(swaps))} swaps`,
  );

  const separate = await run('a0');
  const placed = pool.place([['a0']]);
  const start = performance.now();
  const { unmerge } = await mergeInPlace(placed.model, parameters, { adapters: placed.stacks[0] ?? [] });
  const merging = (performance.now() - start) / 1000;
  const together = await run(null);
  await unmerge();
  placed.release();
  const equal = separate.said.flat().filter((token, index) => token === together.said.flat()[index]).length;
  console.log(`merging ${merging.toFixed(2)} s; ${equal} of ${rows * newTokens} tokens equal, merged and separate`);
  await generator.dispose();
  parameters.tensors.dispose();
}
