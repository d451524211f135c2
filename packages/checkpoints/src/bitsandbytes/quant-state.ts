import { TunesmithError } from '@tunesmith/core';
import { z } from 'zod';

/** What bitsandbytes writes of a 4-bit matrix beside its tensors (bitsandbytes/functional.py, `QuantState.as_dict`). */
const quantStateSchema = z.object({
  quant_type: z.enum(['nf4', 'fp4']),
  blocksize: z.int().positive(),
  /** The type that its values are in once decoded. */
  dtype: z.enum(['float32', 'float16', 'bfloat16']),
  shape: z.tuple([z.int().positive(), z.int().positive()]),
  nested_blocksize: z.literal(256).optional(),
  nested_dtype: z.literal('float32').optional(),
  nested_offset: z.number().optional(),
});

export type QuantState = z.output<typeof quantStateSchema>;

/** The end of the name of the tensor that holds it, as UTF-8 of JSON, behind the weight's own. */
export function quantStateName(type: QuantState['quant_type']): string {
  return `quant_state.bitsandbytes__${type}`;
}

/** @throws FILE_INVALID naming the tensor and the field */
export function parseQuantState(bytes: Uint8Array, where: string): QuantState {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TunesmithError('FILE_INVALID', 'the quantisation state is not JSON', { where, cause });
  }
  const parsed = quantStateSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TunesmithError('FILE_INVALID', `the quantisation state's ${issue?.path.join('.')} is not one we read`, {
    where,
    got: issue?.message ?? 'nothing',
  });
}

export function formatQuantState(state: QuantState): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(state));
}
