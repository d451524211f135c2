import {
  type AdapterHost,
  elementCount,
  type Handle,
  type HostArray,
  type Patcher,
  readHostArray,
  type StageHost,
  scatterAdd,
  type TensorSource,
  TunesmithError,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';
import type { Positions } from './select-top.js';

/** How many elements of each weight differ, by its path: what a stage must remember to declare its handles. */
const memorySchema = z.object({ kept: z.record(z.string(), z.int().positive()) });

/** What a stage is entered with. */
export interface SparseEntry {
  readonly memory: z.output<typeof memorySchema>;
  readonly values: ReadonlyMap<string, HostArray>;
}

/** Enters a stage that trains a difference at these positions, which begins with `start` or at zero. */
export function enterSparse(positions: Positions, start?: ReadonlyMap<string, Float32Array>): SparseEntry {
  const kept = Object.fromEntries([...positions].map(([path, { length }]) => [path, length]));
  const values = [...positions].flatMap(([path, at]): [string, HostArray][] => [
    [`${path}.positions`, at],
    [`${path}.delta`, start?.get(path) ?? new Float32Array(at.length)],
  ]);
  return { memory: { kept }, values: new Map(values) };
}

/**
 * Puts θ + δ in the place of every weight that a stage's memory names, where δ is zero but at `positions` (int32, ascending,
 * row-major) and trained there as `delta`. Neither optimizer state nor file is larger than what is trained.
 */
export function trainSparse(patcher: Patcher, memory: unknown): void {
  const { kept } = memorySchema.parse(memory);
  patcher.replace(
    ({ path }) => kept[path] !== undefined,
    (weight, { parameter, buffer }) => {
      const shape = [kept[weight.path] as number];
      const positions = buffer('positions', {
        shape,
        dtype: 'int32',
        init: () => Int32Array.from({ length: shape[0] as number }, (_, index) => index),
      });
      const delta = parameter('delta', { shape, init: zeros });
      return {
        value: (theta, t) => scatterAdd(theta, t.value(positions), t.value(delta)),
        async merge(theta, read) {
          const [at, values] = [await read(positions), await read(delta)];
          at.forEach((position, index) => {
            theta[position] = (theta[position] as number) + (values[index] as number);
          });
        },
      };
    },
  );
}

/** An even share of every weight: what a run will about train, for plans that are made before it has looked. */
export function evenShare(weights: readonly Handle[], count: number): SparseEntry['memory'] {
  const total = weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const shares = weights.map(({ path, shape }) => [path, Math.ceil((count / total) * elementCount(shape))] as const);
  return { kept: Object.fromEntries(shares) };
}

/** Passes a file's tensors on once its positions are known to lie in their weights, each once and in order. */
export async function checkPositions(source: TensorSource, host: AdapterHost): Promise<TensorSource> {
  for (const name of source.names()) {
    const path = /^base_model\.model\.(.+)\.positions$/.exec(name)?.[1];
    const weight = path === undefined ? undefined : host.handle(path);
    const tensor = source.get(name);
    if (weight === undefined || tensor === undefined) continue;
    const positions = await readHostArray(tensor);
    const size = elementCount(weight.shape);
    const wrong = positions.findIndex((at, index) => at <= (positions[index - 1] ?? -1) || at >= size);
    if (wrong < 0) continue;
    throw new TunesmithError('FILE_INVALID', 'a position lies outside its weight, or out of order', {
      where: `${name}[${wrong}]`,
      expected: `ascending positions below ${size}`,
      got: String(positions[wrong]),
    });
  }
  return source;
}

/** The values of handles that a stage left beside weights: `<weight's path>.<name>`, by the weight's path. */
export async function readBeside(
  { handles, read }: Pick<StageHost, 'handles' | 'read'>,
  owner: string,
  name: string,
): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const handle of handles) {
    if (handle.owner !== owner || !handle.path.endsWith(`.${name}`)) continue;
    found.set(handle.path.slice(0, -name.length - 1), await read(handle));
  }
  return found;
}
