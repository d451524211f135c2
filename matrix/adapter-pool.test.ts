/** A pool of adapters: swapped without compiling, mixed, kept apart while they are read. */
import {
  type AdapterPart,
  type Backend,
  createAdapterPool,
  createTokenGenerator,
  exportAdapter,
  type Method,
  memoryTensor,
  type Program,
  type TensorSource,
  type TensorStore,
  tf,
} from '@tunesmith/core';
import { ia3 } from '@tunesmith/ia3';
import { lora } from '@tunesmith/lora';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { answers, tinyAdapters } from './tiny-adapters.js';
import { tinyLlama } from './tiny-families.js';

const prompts = [[3, 14, 15, 9, 26], [5, 35], [9, 3, 2, 38, 4, 6, 26, 4], [33]];

/** A backend that tells what it compiles. */
function counted(backend: Backend) {
  const compiled: string[] = [];
  return {
    compiled,
    backend: {
      ...backend,
      name: backend.name,
      createStore: () => backend.createStore(),
      compile(program: Program, store: TensorStore) {
        compiled.push(program.name);
        return backend.compile(program, store);
      },
    } satisfies Backend,
  };
}

function sourceOf({ tensors }: Awaited<ReturnType<typeof exportAdapter>>): TensorSource {
  const byName = new Map(tensors.map(({ name, shape, data }) => [name, memoryTensor(name, shape, data)]));
  return { names: () => [...byName.keys()], get: (name) => byName.get(name) };
}

/** Four adapters of one shape but for the last two, what each says alone, and a pool that has them. */
async function setUp(which: keyof typeof backends = 'onnx-cpu') {
  const makers: Record<string, () => Method> = {
    one: () => lora({ rank: 2, dropout: 0.1 }),
    two: () => lora({ rank: 2 }),
    three: () => lora({ rank: 2, dropout: 0.3 }),
    loud: () => lora({ rank: 2, alpha: 16 }),
    scaled: () => ia3(),
  };
  const backend = await backends[which]();
  const alone = new Map<string, number[][]>();
  const parts = new Map<string, AdapterPart[]>();
  for (const [name, make] of Object.entries(makers)) {
    const method = make();
    const valuesOf = (owner: string): string => (owner === 'base' ? owner : `${name} ${owner}`);
    const single = await tinyAdapters(tinyLlama, backend, { methods: [method], valuesOf });
    alone.set(name, await answers(single, prompts));
    const tensors = sourceOf(await exportAdapter(single.model, method, single.parameters));
    parts.set(name, [{ method: make(), tensors }]);
    single.parameters.tensors.dispose();
  }
  const base = await tinyAdapters(tinyLlama, backend, {});
  alone.set('', await answers(base, prompts));
  const { compiled, backend: counting } = counted(backend);
  const { family, config } = tinyLlama;
  const pool = createAdapterPool({ family, config: family.parseConfig(config), parameters: base.parameters });
  for (const [name, own] of parts) await pool.add(name, own);
  const generator = createTokenGenerator({
    ...{ model: pool.model, parameters: pool.parameters, backend: counting, adapters: pool },
    ...{ eosTokens: [], padToken: 0 },
  });
  type Choice = string | readonly string[] | null;
  const say = async (adapters: Choice | ((prompt: number) => Choice)): Promise<number[][]> => {
    const tokens: number[][] = prompts.map(() => []);
    for await (const step of generator.generate(prompts, { maxNewTokens: 12, adapters })) {
      tokens[step.row]?.push(step.token);
    }
    return tokens;
  };
  return { alone, parts, base, compiled, pool, generator, say };
}

describe('a pool of adapters', () => {
  it('answers as models built with each alone do, and differently with each', async () => {
    const { alone, say } = await setUp();
    for (const [name, tokens] of alone) expect(await say(name === '' ? null : name)).toEqual(tokens);
    expect(new Set([...alone.values()].map(String)).size).toBe(alone.size);
  });

  it('compiles nothing to swap adapters that agree in shape', async () => {
    const { alone, compiled, say, base } = await setUp();
    await say('one');
    const before = { programs: [...compiled], entries: base.parameters.tensors.names().length };
    expect(before.programs).toHaveLength(2);
    for (const name of ['two', 'three', 'one', 'two']) expect(await say(name)).toEqual(alone.get(name));
    expect(compiled).toEqual(before.programs);
    expect(base.parameters.tensors.names()).toHaveLength(before.entries);
    // Another scale is another program: it is a constant there.
    await say('loud');
    expect(compiled.length).toBeGreaterThan(before.programs.length);
  });

  it('mixes adapters of one shape and of several, by programs that serve every assignment of rows', async () => {
    const { alone, compiled, say } = await setUp();
    const mixes = [
      ['one', 'two', null, 'two'],
      ['two', null, 'one', 'one'],
      [null, 'three', 'two', 'three'],
    ];
    let programs = 0;
    for (const [index, names] of mixes.entries()) {
      const tokens = await say((row) => names[row] as string | null);
      tokens.forEach((own, row) => {
        expect(own).toEqual(alone.get(names[row] ?? '')?.[row]);
      });
      if (index === 0) programs = compiled.length;
    }
    expect(compiled).toHaveLength(programs);
    const kinds = ['scaled', 'loud', 'one', null];
    const tokens = await say((row) => kinds[row] as string | null);
    tokens.forEach((own, row) => {
      expect(own).toEqual(alone.get(kinds[row] ?? '')?.[row]);
    });
  });

  it('keeps the adapters of a generation that is under way, whatever others ask for', async () => {
    const { alone, pool, parts, generator, say } = await setUp();
    const tokens: number[][] = prompts.map(() => []);
    for await (const { row, token } of generator.generate(prompts, { maxNewTokens: 12, adapters: 'one' })) {
      tokens[row]?.push(token);
      if (tokens[0]?.length === 3 && row === 0) {
        const mixed = await say((prompt) => (prompt < 2 ? 'one' : 'three'));
        expect(mixed.slice(0, 2)).toEqual(alone.get('one')?.slice(0, 2));
        expect(mixed.slice(2)).toEqual(alone.get('three')?.slice(2));
        expect(await say('two')).toEqual(alone.get('two'));
        await pool.add('one', parts.get('two') as AdapterPart[]);
      }
    }
    expect(tokens).toEqual(alone.get('one'));
    expect(await say('one')).toEqual(alone.get('two'));
  });

  it('refuses names that it lacks, and lets go of what is removed', async () => {
    const { pool, say } = await setUp();
    await expect(say('tow')).rejects.toThrow('the pool has no adapter "tow"');
    pool.remove('two');
    expect(pool.names).toEqual(['one', 'three', 'loud', 'scaled']);
    await expect(say(['one', 'two'])).rejects.toThrow('NAME_UNKNOWN');
    expect(() => pool.remove('two')).toThrow('NAME_UNKNOWN');
  });

  it('swaps on the eager backend too, and leaves no tensor behind', async () => {
    const { alone, say, generator, base } = await setUp('tfjs-cpu');
    const tensors: number[] = [];
    for (const name of ['one', 'two', 'one', 'two']) {
      expect(await say(name)).toEqual(alone.get(name));
      tensors.push(tf.memory().numTensors);
    }
    expect(new Set(tensors).size).toBe(1);
    await generator.dispose();
    base.parameters.tensors.dispose();
    expect(tf.memory().numTensors).toBeLessThan((tensors[0] as number) - base.model.handles.length);
  });
});
