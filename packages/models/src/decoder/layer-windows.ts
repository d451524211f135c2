import { z } from 'zod';

/** The keys by which the Qwens say which layers see a sliding window, and how long it is. */
export const windowFields = {
  use_sliding_window: z.boolean().default(false),
  sliding_window: z.int().positive().nullable().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
};

interface WindowJson extends z.output<z.ZodObject<typeof windowFields>> {
  num_hidden_layers: number;
}

/**
 * Each layer's window, null for none. `layer_types` decides where it is written; before transformers 4.54 the layers
 * from `max_window_layers` on had one.
 */
export function readWindows(json: WindowJson): (number | null)[] {
  const window = json.use_sliding_window ? json.sliding_window : null;
  return Array.from({ length: json.num_hidden_layers }, (_, layer) => {
    const sliding = json.layer_types?.[layer] === 'sliding_attention';
    return sliding || (json.layer_types == null && layer >= json.max_window_layers) ? window : null;
  });
}

/** What must hold between the keys. */
export function checkWindows(json: WindowJson, context: z.core.$RefinementCtx): void {
  const { layer_types: types, num_hidden_layers: layers } = json;
  const problem = (key: string, message: string, input: unknown): void => {
    context.addIssue({ code: 'custom', path: [key], message, input });
  };
  if (types == null) return;
  if (types.length !== layers) problem('layer_types', `one for each of the ${layers} layers`, types);
  const window = json.use_sliding_window ? json.sliding_window : null;
  if (window === null && types.includes('sliding_attention')) {
    problem(
      'use_sliding_window',
      'true and a sliding_window, since layer_types has sliding layers',
      json.use_sliding_window,
    );
  }
}
