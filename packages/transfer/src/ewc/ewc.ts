import {
  apiVersion,
  defineMethod,
  type FoldTrace,
  type Handle,
  type Patcher,
  type StageEntry,
  type StageHost,
  type Tensor,
  TunesmithError,
  tf,
  type UpdateTrace,
  zeros,
} from '@tunesmith/core';
import { z } from 'zod';

const name = 'ewc';

export const ewcConfigSchema = z.object({
  lambda: z
    .number()
    .min(0)
    .default(100)
    .describe(
      'How dear it is to leave what earlier tasks need, λ. Default: this project’s choice; the paper’s go by the task.',
    ),
  samples: z
    .int()
    .min(1)
    .default(256)
    .describe(
      'Rows of `data.earlier` that the Fisher information is estimated over, one gradient each. Default: this project’s choice.',
    ),
  labels: z
    .enum(['data', 'model'])
    .default('data')
    .describe(
      'Whose labels its gradients are of: the data’s (empirical Fisher), or drawn from the model’s own distribution. Default: this project’s choice, that of most implementations.',
    ),
  gamma: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      'How much of what the run before went by is carried on in a run that names it as `previous`, γ. Default: 1, the plain sum; Schwarz et al. 2018 take less.',
    ),
});

export type EwcConfig = z.output<typeof ewcConfigSchema>;

/**
 * Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796, eq. 3): beside the new task's loss λ/2 · Σ F·(θ − θ*)² over
 * what the methods before it train, θ* being what a run begins with. F = 1/N · Σ (∂ log p(y | x) / ∂θ)², of the mean log-probability of a
 * row's targets, over N rows of the earlier tasks at θ*: one penalty for all of them, about the newest weights, as in online EWC (Schwarz
 * et al. 2018, arXiv:1805.06370, eq. 9). After a run that is named as the one before, F := γ·F_before + F, over rows of its task alone;
 * without, F is estimated anew over those of all tasks.
 */
export const ewc = defineMethod({
  name,
  apiVersion,
  summary: 'Elastic weight consolidation: what earlier tasks need is dear to change',
  config: ewcConfigSchema,
  capabilities: {
    mergeable: true,
    identityAtInit: true,
    trainsBase: false,
    quantizedBase: true,
    leavesNothing: true,
    carriesOn: true,
  },
  create: ({ lambda, samples, labels, gamma }) => ({
    stages: () => [
      { name: 'fisher', run: 'gradients', rows: 'earlier', length: samples, labels },
      { name: 'train', run: 'train', enter: (host) => enterTraining(host, gamma) },
    ],

    patchModel(patcher) {
      const { trained } = patcher;
      if (trained.length === 0) throw trainsNothing();
      return patcher.stage?.name === 'fisher' ? { fold: foldSquares(patcher) } : penalise(patcher, lambda);
    },

    // It changes no weight.
    merge: async () => false,
    mergeEmbedding: async () => false,
  }),
});

/** Where the values beside a trained parameter are kept, by what trains it and its path. */
function beside({ owner, path }: Handle, what: 'squares' | 'fisher' | 'anchor'): string {
  return `${owner}/${path}.${what}`;
}

/** Sums up every gradient's square beside its parameter, and how many rows there were. */
function foldSquares(patcher: Patcher) {
  const { trained } = patcher;
  const count = patcher.buffer('count', { shape: [], init: zeros });
  const sums = trained.map(
    (handle) => [handle, patcher.buffer(beside(handle, 'squares'), { shape: handle.shape, init: zeros })] as const,
  );
  return (u: FoldTrace) =>
    new Map([
      [count, tf.add(u.value(count), u.weight)],
      ...sums.map(([handle, sum]): [Handle, Tensor] => [
        sum,
        tf.add(u.value(sum), tf.mul(u.weight, tf.square(u.gradient(handle)))),
      ]),
    ]);
}

/** The means of the squares, with γ of what the run before went by, and the parameters as they are now. */
async function enterTraining({ handles, read, previous }: StageHost, gamma: number): Promise<StageEntry> {
  const byPath = new Map(handles.filter(({ owner }) => owner === name).map((handle) => [handle.path, handle]));
  const countHandle = byPath.get('count');
  const [count = 1] = countHandle === undefined ? [] : await read(countHandle);
  const values = new Map<string, Float32Array>();
  for (const handle of handles) {
    const squares = byPath.get(beside(handle, 'squares'));
    if (squares === undefined) continue;
    if (previous !== undefined && handle.owner !== 'base') throw startsAnew(handle);
    const path = beside(handle, 'fisher');
    const carried = await previous?.(path);
    const sums = await read(squares);
    values.set(
      path,
      sums.map((sum, index) => gamma * (carried?.[index] ?? 0) + sum / Math.max(1, count)),
    );
    values.set(beside(handle, 'anchor'), await read(handle));
  }
  return { values };
}

/** λ/2 · Σ F·(θ − θ*)² of everything that is trained. */
function penalise(patcher: Patcher, lambda: number) {
  const held = patcher.trained.map((handle) => {
    const { shape } = handle;
    const buffer = (what: 'fisher' | 'anchor'): Handle => patcher.buffer(beside(handle, what), { shape, init: zeros });
    return { handle, fisher: buffer('fisher'), anchor: buffer('anchor') };
  });
  return {
    penalty(u: UpdateTrace): Tensor {
      const each = held.map(({ handle, fisher, anchor }) =>
        tf.sum(tf.mul(u.value(fisher), tf.square(tf.sub(u.value(handle), u.value(anchor))))),
      );
      return tf.mul(tf.addN(each), lambda / 2);
    },
  };
}

function startsAnew({ owner, path }: Handle): TunesmithError {
  return new TunesmithError('CONFIG_INVALID', 'what the run before knew is of other values than these', {
    where: `${name}, ${owner}/${path}`,
    expected: 'weights of the checkpoint itself, as full or bitfit train them',
    hint: `What ${owner} adds starts anew in every run. Without \`previous\`, F is estimated over all rows of \`data.earlier\`.`,
  });
}

function trainsNothing(): TunesmithError {
  return new TunesmithError('CONFIG_INVALID', 'elastic weight consolidation trains nothing of its own', {
    where: name,
    expected: 'a method before it that trains, such as [lora, ewc] or [full, ewc]',
  });
}
