import {
  constant,
  type Handle,
  type Patcher,
  type PatchHooks,
  type StageHost,
  type Trace,
  tf,
  zeros,
} from '@tunesmith/core';
import { readBeside } from '../sparse/sparse-difference.js';
import type { DiffPruningConfig } from './config.js';
import { closeGates, drawnGate, openProbability, settledGate } from './hard-concrete.js';

/** What lies beside a weight: its difference w, the α of its elements' gates, and that of the gate over all of them. */
const [differenceName, gateNames] = ['difference', ['alpha', 'group']] as const;

export interface GatedDifferences {
  /** The weights that take part. */
  readonly weights: readonly Handle[];
  readonly hooks: PatchHooks;
}

/**
 * Puts θ + w ∘ z · z_group in the place of every weight selected: w begins at 0, and gates are drawn in training, once for
 * a step, and settled outside of it. The penalty is λ · Σ P(z ≠ 0) over all gates, of elements and of groups.
 */
export function trainGated(
  patcher: Patcher,
  config: DiffPruningConfig,
  select: (handle: Handle) => boolean,
): GatedDifferences {
  const gates = new Set<Handle>();
  const gateOf = (alpha: Handle, t: Trace) =>
    t.training
      ? drawnGate(t.value(alpha), t.uniform(alpha.path, alpha.shape, 'step'), config)
      : settledGate(t.value(alpha), config);
  const weights = patcher.replace(select, (weight, { parameter }) => {
    const difference = parameter(differenceName, { shape: weight.shape, init: zeros, decay: false });
    const own = gateNames.slice(0, config.structured ? 2 : 1).map((gate) => {
      const shape = gate === 'alpha' ? weight.shape : [1];
      return parameter(gate, { shape, init: constant(config.alphaInit), decay: false });
    });
    for (const alpha of own) gates.add(alpha);
    return {
      value: (theta, t) =>
        tf.add(
          theta,
          own.reduce((value, alpha) => tf.mul(value, gateOf(alpha, t)), t.value(difference)),
        ),
      async merge(theta, read) {
        const values = Float32Array.from(await read(difference));
        for (const alpha of own) closeGates(values, (await read(alpha)) as Float32Array, config);
        for (const [index, value] of values.entries()) theta[index] = (theta[index] as number) + value;
      },
    };
  });
  return {
    weights,
    hooks: {
      groups: [{ match: (handle) => gates.has(handle), learningRate: config.alphaLearningRate, clip: 'gates' }],
      penalty: (u) =>
        tf.mul(tf.addN([...gates].map((alpha) => tf.sum(openProbability(u.value(alpha), config)))), config.penalty),
    },
  };
}

/** What each weight's difference comes to with its gates settled, by the weight's path. */
export async function settledDifferences(
  host: Pick<StageHost, 'handles' | 'read'>,
  owner: string,
  config: DiffPruningConfig,
): Promise<Map<string, Float32Array>> {
  const differences = await readBeside(host, owner, differenceName);
  for (const gate of gateNames) {
    for (const [path, alpha] of await readBeside(host, owner, gate)) {
      closeGates(differences.get(path) as Float32Array, alpha, config);
    }
  }
  return differences;
}
