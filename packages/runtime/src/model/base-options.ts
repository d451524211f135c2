import { isDeepStrictEqual } from 'node:util';
import { type QuantizationSettings, quantizationSchema, TunesmithError } from '@tunesmith/core';
import type { Recipe } from '../recipe/recipe.js';
import type { AdapterDescription } from './adapter-folder.js';

/** The base: as a recipe says it, or where this leaves it open as the adapters were trained over it. */
export interface BaseOptions extends Omit<Recipe['model'], 'resizeVocabulary' | 'quantization' | 'experts'> {
  /** Rows for new tokens are added where it says so, or where an adapter was trained with them. */
  readonly resizeVocabulary?: boolean;
  /**
   * How the matrices are kept, whatever the adapters were trained over; a type alone has the settings of theirs if that is
   * of this type, and null is as the checkpoint has them.
   */
  readonly quantization?: QuantizationSettings | QuantizationSettings['type'] | 'none' | null | undefined;
}

type Described = Pick<AdapterDescription, 'path' | 'manifest'>;

/** A base with nothing left open. */
interface Base extends BaseOptions {
  readonly resizeVocabulary: boolean;
  readonly quantization: QuantizationSettings | 'none' | null;
}

/** A base as it is said to be, or as its adapters need it. @throws CONFIG_INVALID as `quantizationOfBase` does */
export function baseFor(
  { resizeVocabulary = false, quantization, ...model }: BaseOptions,
  adapters: readonly Described[],
): Base {
  const isNeeded = adapters.some(({ manifest }) => manifest?.resizeVocabulary === true);
  return {
    ...model,
    resizeVocabulary: resizeVocabulary || isNeeded,
    quantization: isType(quantization)
      ? settingsOfType(quantization, adapters)
      : quantization === undefined
        ? quantizationOfBase(adapters)
        : quantization,
  };
}

function isType(quantization: BaseOptions['quantization']): quantization is QuantizationSettings['type'] {
  return typeof quantization === 'string' && quantization !== 'none';
}

function settingsOfType(type: QuantizationSettings['type'], adapters: readonly Described[]): QuantizationSettings {
  const sameType = adapters.filter(({ manifest }) => {
    const kept = manifest?.quantization;
    return kept != null && kept !== 'none' && kept.type === type;
  });
  const kept = quantizationOfBase(sameType);
  return kept === null || kept === 'none' ? quantizationSchema.parse({ type }) : kept;
}

/**
 * How the base was kept that adapters were trained over. Those of other tools do not say it, and count for none.
 * @throws CONFIG_INVALID for adapters that were trained over bases kept in different ways
 */
export function quantizationOfBase(adapters: readonly Described[]): Base['quantization'] {
  const saying = adapters.filter(({ manifest }) => manifest !== null);
  const [first] = saying;
  const quantization = first?.manifest?.quantization ?? null;
  const other = saying.find(({ manifest }) => !isDeepStrictEqual(manifest?.quantization ?? null, quantization));
  if (other === undefined) return quantization;
  throw new TunesmithError('CONFIG_INVALID', 'the adapters were trained over bases that were kept in different ways', {
    where: other.path,
    expected: `${JSON.stringify(quantization)}, as ${first?.path}`,
    got: JSON.stringify(other.manifest?.quantization ?? null),
    hint: 'Say how the base is to be kept: `quantization`, on the command line --quantization none or nf4.',
  });
}
