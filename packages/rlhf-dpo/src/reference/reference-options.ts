import { type Model, type ModelRun, type Named, type Tensor, type Trace, tokenColumns } from '@tunesmith/core';
import { z } from 'zod';

export const referenceAdapterOption = {
  referenceAdapter: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The reference is the base with this adapter, one of `model.adapters`, frozen beside the one that is trained: TRL’s `ref_adapter_name`. Default: the base alone.',
    ),
};

/** What the options of an objective say of its reference. */
export interface ReferenceOptions {
  readonly referenceAdapter?: string | undefined;
}

/** What an objective says to the engine of its reference. */
export function referenceAdapters({ referenceAdapter }: ReferenceOptions): { readonly adapters?: readonly string[] } {
  return referenceAdapter === undefined ? {} : { adapters: [referenceAdapter] };
}

/** The reference's forward pass: the model without what is trained, with its own adapter if it has one. A constant to the gradient. */
export function referenceRun(model: Model, columns: Named<Tensor>, t: Trace, options: ReferenceOptions): ModelRun {
  return model.run(t, tokenColumns(columns), { methods: 'none', ...referenceAdapters(options) });
}
