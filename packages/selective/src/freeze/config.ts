import { z } from 'zod';
import { moduleNames } from '../weights/chosen-modules.js';
import { layerDecayOption } from '../weights/layer-decay.js';

/** Options of freezing: what is trained is chosen by layer, by module, or both. */
export const freezeConfigSchema = z.object({
  layers: z
    .union([z.int().min(0), z.literal('all')])
    .default(2)
    .describe(
      "How many blocks train, counted from the last; `all` begins with every weight of the model. Default: LLaMA-Factory's `freeze_trainable_layers` = 2.",
    ),
  top: z
    .boolean()
    .default(true)
    .describe(
      'Also train what lies after the blocks: the final norm, a pooler, a head of its own (Lee et al. 2019 train them with the last layers). A tied head is the embedding and lies before them.',
    ),
  modules: moduleNames
    .optional()
    .describe(
      'Of these, only the weights inside the modules named: a list of names or path endings, such as `self_attn` or `q_proj`, or one regular expression for whole paths. Default: all.',
    ),
  extraModules: moduleNames
    .optional()
    .describe('Modules to train beside them wherever they lie, such as `embed_tokens`, in the same notation.'),
  frozenModules: moduleNames
    .optional()
    .describe('Modules to leave frozen whatever else is said, in the same notation.'),
  layerDecay: layerDecayOption,
});

export type FreezeConfig = z.output<typeof freezeConfigSchema>;

/** What a user may say of freezing. */
export type FreezeOptions = z.input<typeof freezeConfigSchema>;
