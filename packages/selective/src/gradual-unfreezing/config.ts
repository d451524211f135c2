import { z } from 'zod';
import { layerDecayOption } from '../weights/layer-decay.js';

/** Options of gradual unfreezing. */
export const gradualUnfreezingConfigSchema = z.object({
  every: z
    .union([z.number().positive(), z.literal('even')])
    .default(1)
    .describe(
      'How long each group trains before the next one thaws, in the unit below; `even` divides the run among the groups. Default: 1 epoch (Howard and Ruder 2018, §3.3).',
    ),
  unit: z.enum(['epoch', 'step']).default('epoch').describe('What `every` counts.'),
  layersAtOnce: z.int().min(1).default(1).describe('Blocks that thaw together. Default: 1, as in ULMFiT.'),
  layers: z
    .union([z.int().min(1), z.literal('all')])
    .default('all')
    .describe('How many blocks thaw in all, counted from the last; `all` ends with the embeddings, as in ULMFiT.'),
  layerDecay: layerDecayOption,
});

export type GradualUnfreezingConfig = z.output<typeof gradualUnfreezingConfigSchema>;
