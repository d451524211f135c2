import { elementCount } from '../parameters/handle.js';
import { dequantizeDynamic, dynamicBlockSize, quantizeDynamic } from '../tensor/dynamic-blocks.js';
import type { Named, Tensor } from '../tensor/tfjs.js';
import { type GradientTransformation, type Leaf, mapNamed } from './transformation.js';

/** Parameters of fewer elements keep their state in float32 (bitsandbytes/optim/optimizer.py, `min_8bit_size`). */
const leastElements = 4096;

const codesOf = (slot: string): string => `${slot}.codes`;
const absmaxOf = (slot: string): string => `${slot}.absmax`;

/**
 * A transformation whose state is kept in 8 bits a value (Dettmers et al. 2022, arXiv:2110.02861; bitsandbytes' `AdamW8bit`):
 * in blocks of 256 values of one parameter, each by its dynamic type, that without signs for slots that are never negative.
 * An update is computed in float32 from what the codes stand for, and its new state is rounded after it.
 */
export function eightBitState(rule: GradientTransformation): GradientTransformation {
  const isSigned = (slot: string): boolean => rule.nonNegative?.includes(slot) !== true;
  return {
    ...rule,
    stateOf({ key, shape }) {
      const size = elementCount(shape);
      if (size < leastElements) return undefined;
      const blocks = Math.ceil(size / dynamicBlockSize);
      // A parameter that ends within a block lies alone: no block is of two.
      const form = size % dynamicBlockSize === 0 ? '8 bits' : `8 bits, ${key}`;
      const slots = rule.slots.flatMap((slot) => [
        [codesOf(slot), { dtype: 'uint8', shape: [blocks * dynamicBlockSize] }] as const,
        [absmaxOf(slot), { dtype: 'float32', shape: [blocks] }] as const,
      ]);
      return { form, slots: Object.fromEntries(slots) };
    },
    update(gradients, leaves, context) {
      const isRounded = ({ state }: Leaf): boolean => rule.slots.some((slot) => codesOf(slot) in state);
      const widened = mapNamed(leaves, (leaf) => (isRounded(leaf) ? { ...leaf, state: valuesOf(leaf) } : leaf));
      const { updates, state } = rule.update(gradients, widened, context);
      return {
        updates,
        state: mapNamed(state, (slots, name) => (isRounded(leaves[name] as Leaf) ? rounded(slots) : slots)),
      };
    },
  };

  function valuesOf({ state, parameter }: Leaf): Named<Tensor> {
    const values = rule.slots.map((slot): [string, Tensor] => {
      const kept = { codes: state[codesOf(slot)] as Tensor, absmax: state[absmaxOf(slot)] as Tensor };
      return [slot, dequantizeDynamic(kept, parameter.shape, isSigned(slot))];
    });
    return Object.fromEntries(values);
  }

  function rounded(slots: Named<Tensor>): Named<Tensor> {
    const kept = Object.entries(slots).flatMap(([slot, value]): [string, Tensor][] => {
      const { codes, absmax } = quantizeDynamic(value, isSigned(slot));
      return [
        [codesOf(slot), codes],
        [absmaxOf(slot), absmax],
      ];
    });
    return Object.fromEntries(kept);
  }
}
