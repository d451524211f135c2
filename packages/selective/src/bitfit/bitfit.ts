import { apiVersion, defineMethod, type Handle, type Patcher, TunesmithError, tf } from '@tunesmith/core';
import { type BiasPart, biasParts } from './bias-parts.js';
import { biasGroups, bitfitConfigSchema } from './config.js';

/** The name of a trained part of a fused bias, below its site. */
const partName = (part: string): string => `bias.${part}`;

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
  capabilities: { mergeable: true, identityAtInit: true, trainsBase: false },
  // The paper's rates are 1e-4 to 1e-3 (§4); its code's example has the latter (BitFit/README.md).
  defaults: { learningRate: 1e-3 },
  create: ({ biases }) => ({
    patchModel(patcher) {
      const all = biasParts(patcher);
      const chosen = new Set(biases === 'all' ? all : chooseGroups(all, biases));
      if (chosen.size === 0) throw noBiases();
      const handles = new Set([...chosen].map(({ handle }) => handle));
      const isWhole = (handle: Handle): boolean => all.every((part) => part.handle !== handle || chosen.has(part));
      const whole = new Set([...handles].filter(isWhole));
      if (whole.size > 0) patcher.trainCopies((handle) => whole.has(handle));
      for (const { part, group, handle } of chosen) {
        if (part !== null && group !== null && !whole.has(handle)) trainPart(patcher, part, partName(group));
      }
    },

    async mergeBias({ slices, ...site }, bias, host, sign) {
      let merged = false;
      for (const group of biasGroups) {
        const handle = host.handle(site, partName(group));
        const slice = slices.find(({ role }) => role === `attention.${group}`);
        if (handle === undefined || slice === undefined) continue;
        if (sign === 1) bias.set(await host.read(handle), slice.start);
        merged = true;
      }
      // What the parts replaced is not in them.
      return merged && 'irreversible';
    },
  }),
});

/** y = W·x + b with a part of b replaced by the one that trains; the rest of b is in no update. */
function trainPart(patcher: Patcher, { site, slice }: NonNullable<BiasPart['part']>, name: string): void {
  const { start, size } = slice;
  const bias = site.biasHandle as Handle;
  patcher.wrap('linear', { include: [site.path] }, ({ parameter, outFeatures }) => {
    const part = parameter(name, {
      shape: [size],
      init: async ({ readBase }) => (await readBase(bias.path)).slice(start, start + size),
    });
    return (x, next, t) => {
      const moved = tf.sub(t.value(part), tf.slice(t.value(bias), [start], [size])); // [size], 0 at first
      return tf.add(next(x), tf.pad(moved, [[start, outFeatures - start - size]]));
    };
  });
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
