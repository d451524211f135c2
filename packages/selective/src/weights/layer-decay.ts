import type { ParameterGroup } from '@tunesmith/core';
import { z } from 'zod';
import type { LayerIndex } from './layer-index.js';

/** The option of methods that may train lower layers more slowly. */
export const layerDecayOption = z
  .number()
  .gt(0)
  .max(1)
  .default(1)
  .describe(
    "Factor on the learning rate from one layer to the one below it; 1, the default, gives all the same. ULMFiT's discriminative fine-tuning (Howard and Ruder 2018, §3.2) has 1/2.6.",
  );

/**
 * Layer-wise learning-rate decay: groups with rates lr_l = base · decay^(L − l − 1) for block l of L. What lies after the
 * blocks has the base rate, as the last block; what lies before them is one step below block 0.
 */
export function layerDecayGroups({ layers, of }: LayerIndex, decay: number): ParameterGroup[] {
  if (decay === 1) return [];
  return Array.from({ length: layers + 1 }, (_, below) => ({
    match: (handle) => Math.max(0, layers - 1 - of(handle)) === below,
    scale: decay ** below,
  }));
}
