import { z } from 'zod';
import { only } from '../config/read-config.js';

/** How rotary frequencies are stretched beyond the length that a model was first trained at. */
export type RotaryScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalLength: number;
    };

export interface Rotary {
  readonly theta: number;
  readonly scaling: RotaryScaling;
}

const positive = z.number().positive();
const anyType = { rope_theta: positive.optional(), partial_rotary_factor: only(1) };

/** Before transformers 4.43 the type's key was `type`, and `rope_type` from then on. */
const parametersSchema = z.preprocess(
  (value) => {
    if (typeof value !== 'object' || value === null) return value;
    const { type, ...rest } = value as Record<string, unknown>;
    return { rope_type: type ?? 'default', ...rest };
  },
  z
    .discriminatedUnion('rope_type', [
      z.strictObject({ ...anyType, rope_type: z.literal('default') }),
      z.strictObject({ ...anyType, rope_type: z.literal('linear'), factor: positive }),
      z.strictObject({
        ...anyType,
        rope_type: z.literal('llama3'),
        factor: positive,
        low_freq_factor: positive,
        high_freq_factor: positive,
        original_max_position_embeddings: positive.optional(),
      }),
    ])
    .nullish(),
);

/** transformers 5 writes `rope_parameters`; versions before it `rope_theta` and `rope_scaling`, on top. */
export const rotaryFields = {
  rope_parameters: parametersSchema,
  rope_scaling: parametersSchema,
  rope_theta: positive.nullish(),
  partial_rotary_factor: only(1),
};

interface RotaryJson extends z.output<z.ZodObject<typeof rotaryFields>> {
  max_position_embeddings: number;
}

/** Reads both spellings, with precedence and defaults as in transformers/modeling_rope_utils.py. */
export function readRotary(json: RotaryJson): Rotary {
  const parameters = json.rope_scaling ?? json.rope_parameters;
  const theta = parameters?.rope_theta ?? json.rope_theta ?? 10_000;
  switch (parameters?.rope_type) {
    case 'linear':
      return { theta, scaling: { type: 'linear', factor: parameters.factor } };
    case 'llama3':
      return {
        theta,
        scaling: {
          type: 'llama3',
          factor: parameters.factor,
          lowFrequencyFactor: parameters.low_freq_factor,
          highFrequencyFactor: parameters.high_freq_factor,
          originalLength: parameters.original_max_position_embeddings ?? json.max_position_embeddings,
        },
      };
    default:
      return { theta, scaling: { type: 'default' } };
  }
}

/**
 * headDim / 2 angles per position: θ^(−2i / headDim) (Su et al. 2021), then scaled. `linear` divides all by `factor`
 * (Chen et al. 2023); `llama3` leaves the pairs whose wavelength is below originalLength / highFrequencyFactor, divides
 * those above originalLength / lowFrequencyFactor by `factor`, and mixes between (Llama 3.1;
 * transformers/modeling_rope_utils.py, `_compute_llama3_parameters`).
 */
export function inverseFrequencies({ theta, scaling }: Rotary, headDim: number): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, pair) => scale(theta ** ((-2 * pair) / headDim), scaling));
}

function scale(frequency: number, scaling: RotaryScaling): number {
  if (scaling.type === 'default') return frequency;
  const stretched = frequency / scaling.factor;
  if (scaling.type === 'linear') return stretched;
  const { lowFrequencyFactor, highFrequencyFactor, originalLength } = scaling;
  const turns = (originalLength * frequency) / (2 * Math.PI); // over the original length
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  return stretched + Math.min(1, Math.max(0, kept)) * (frequency - stretched);
}
