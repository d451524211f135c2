import { z } from 'zod';
import { fourBit, fourBitBlockSizes } from '../storage/four-bit-codec.js';
import { int8 } from '../storage/int8-codec.js';
import { linearBlockCodec } from '../storage/linear-blocks-codec.js';
import type { WeightCodec } from '../storage/weight-codec.js';
import type { LinearBlockType } from '../tensor/linear-blocks.js';
import type { Quantization } from './quantization.js';

const types = ['nf4', 'fp4', 'int8', 'q8_0', 'q4_0', 'q4_1'] as const;

/** What is said of every base, and what of some types only. */
const fields = z.strictObject({
  type: z
    .enum(types)
    .default('nf4')
    .describe(
      'How a matrix is kept: in 4 bits (`bnb_4bit_quant_type`) as NF4 (QLoRA: Dettmers et al. 2023, §3) or FP4; in 8 bits as ' +
        '`int8` (`load_in_8bit`; LLM.int8: Dettmers et al. 2022), whose inputs are rounded too; or in blocks of 32 whole ' +
        'numbers, as GGUF has them: `q8_0` (8.5 bits a value), `q4_0` (4.5), `q4_1` (5, with a minimum for each block).',
    ),
  blockSize: z
    .literal(fourBitBlockSizes)
    .optional()
    .describe('Of 4-bit types: values that share a magnitude. 64 if not said, as QLoRA and bitsandbytes.'),
  doubleQuantization: z
    .boolean()
    .optional()
    .describe(
      'Of 4-bit types: keep the magnitudes in 8 bits too (`bnb_4bit_use_double_quant`), 4.127 bits a value, not 4.5. ' +
        'On if not said, as QLoRA.',
    ),
  outlierThreshold: z
    .number()
    .min(0)
    .optional()
    .describe(
      'Of `int8`: input columns that reach this magnitude are multiplied as they are (`llm_int8_threshold`); 0: none. ' +
        '6 if not said, as the paper and transformers.',
    ),
  integerGradient: z
    .boolean()
    .optional()
    .describe(
      'Of `int8`: round the gradient that comes in too, so that the backward pass is as fast as the forward (SwitchBack, ' +
        'Wortsman et al. 2023). On if not said; bitsandbytes unpacks the weight instead.',
    ),
  exclude: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Modules to leave as they are, by names or path endings (`llm_int8_skip_modules` of transformers: none).',
    ),
});

type Fields = z.output<typeof fields>;
type OptionsOf<Type extends Fields['type'], Name extends keyof Fields> = { readonly type: Type } & Pick<
  Fields,
  'exclude'
> & { readonly [Option in Name]-?: Exclude<Fields[Option], undefined> };

/** A type with what it has to say, and modules that stay as they are. */
export type QuantizationSettings =
  | OptionsOf<'nf4' | 'fp4', 'blockSize' | 'doubleQuantization'>
  | OptionsOf<'int8', 'outlierThreshold' | 'integerGradient'>
  | OptionsOf<LinearBlockType, never>;

/** The options of each type, with what they are if nothing is said. */
const defaults = {
  nf4: { blockSize: 64, doubleQuantization: true },
  fp4: { blockSize: 64, doubleQuantization: true },
  int8: { outlierThreshold: 6, integerGradient: true },
  q8_0: {},
  q4_0: {},
  q4_1: {},
} as const satisfies Record<Fields['type'], Partial<Fields>>;

/** How a base is quantised, as recipes say it. */
export const quantizationSchema = fields
  .superRefine((said, context) => {
    const known = Object.keys({ type: 0, exclude: 0, ...defaults[said.type] });
    for (const name of Object.keys(said)) {
      if (known.includes(name)) continue;
      const message = `is no option of ${said.type}, whose options are ${known.join(', ')}`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
  })
  .transform((said) => ({ ...defaults[said.type], ...said }) as QuantizationSettings);

export function quantizationOf(settings: QuantizationSettings): Quantization {
  return { codec: codecOf(settings), exclude: settings.exclude };
}

function codecOf(settings: QuantizationSettings): WeightCodec {
  switch (settings.type) {
    case 'nf4':
    case 'fp4':
      return fourBit(settings);
    case 'int8':
      return int8(settings);
    default:
      return linearBlockCodec(settings);
  }
}
