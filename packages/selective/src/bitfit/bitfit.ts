import {
  apiVersion,
  defineMethod,
  type Handle,
  type MethodScope,
  type Replacement,
  TunesmithError,
  tf,
} from '@tunesmith/core';
import { type BiasPart, biasParts } from './bias-parts.js';
import { biasGroups, bitfitConfigSchema } from './config.js';

/**
 * BitFit (Ben Zaken et al. 2022): the biases train and nothing else, b ← b − η·∂L/∂b. They train as copies, so that one
 * base model serves many tasks, each with its biases. Of a fused projection, such as GPT-2's c_attn, a group trains its
 * part.
 */
export const bitfit = defineMethod({
  name: 'bitfit',
  apiVersion,
  summary: 'Train the biases and nothing else',
  config: bitfitConfigSchema,
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false, quantizedBase: true },
  // The paper's rates are 1e-4 to 1e-3 (§4); its code's example has the latter (BitFit/README.md).
  defaults: { learningRate: 1e-3 },
  create: ({ biases }) => ({
    patchModel(patcher) {
      const all = biasParts(patcher);
      const chosen = new Set(biases === 'all' ? all : chooseGroups(all, biases));
      if (chosen.size === 0) throw noBiases();
      const partsOf = (bias: Handle): BiasPart[] => all.filter(({ handle }) => handle === bias);
      const isWhole = (bias: Handle): boolean => partsOf(bias).every((part) => chosen.has(part));
      const handles = new Set([...chosen].map(({ handle }) => handle));
      const [whole, fused] = [[...handles].filter(isWhole), [...handles].filter((bias) => !isWhole(bias))];
      if (whole.length > 0) patcher.trainCopies((handle) => whole.includes(handle));
      if (fused.length === 0) return;
      patcher.replace(
        (handle) => fused.includes(handle),
        (handle, scope) => trainParts(handle, partsOf(handle), chosen, scope),
      );
    },
  }),
});

/** A bias some of whose parts train, as parameters named by their group; the others are in no update. */
function trainParts(
  bias: Handle,
  parts: readonly BiasPart[],
  chosen: ReadonlySet<BiasPart>,
  { parameter }: Pick<MethodScope, 'parameter'>,
): Replacement {
  const declared = parts.map((part) => {
    const { group, start, size } = part;
    const init = async ({ readBase }: { readBase(path: string): Promise<Float32Array> }) =>
      (await readBase(bias.path)).slice(start, start + size);
    return { start, size, trained: chosen.has(part) ? parameter(group as string, { shape: [size], init }) : null };
  });
  return {
    value: (weight, t) =>
      tf.concat(
        declared.map(({ start, size, trained }) =>
          trained === null ? tf.slice(weight, [start], [size]) : t.value(trained),
        ),
      ),
    async merge(weight, read) {
      for (const { start, trained } of declared) if (trained !== null) weight.set(await read(trained), start);
    },
  };
}

function chooseGroups(parts: readonly BiasPart[], wanted: readonly BiasPart['group'][]): BiasPart[] {
  if (parts.length === 0) throw noBiases();
  const there = new Set(parts.map(({ group }) => group));
  const missing = wanted.filter((group) => !there.has(group));
  if (missing.length === 0) return parts.filter(({ group }) => wanted.includes(group));
  throw new TunesmithError('CAPABILITY_MISSING', `this model's blocks have no biases of ${missing.join(', ')}`, {
    where: 'bitfit.biases',
    expected: biasGroups.filter((group) => there.has(group)).join(', ') || 'all',
    got: wanted.join(', '),
  });
}

function noBiases(): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', 'this model has no biases to train', {
    where: 'bitfit',
    hint: 'Llama and its relatives have none. Of like size: `ia3`, or `freeze` with extraModules ".*norm" for the norms.',
  });
}
