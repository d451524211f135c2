/** The Hub's GPT-2s were saved as the bare `GPT2Model`, whose names lack the first part: `h.0.attn.c_attn.weight`. */
export function gpt2Aliases(path: string): string[] {
  return path.startsWith('transformer.') ? [path.slice('transformer.'.length)] : [];
}

/** Causal masks that older checkpoints hold, and heads for other tasks. */
export const ignoredGpt2Tensors =
  /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$|^(lm_head|score)\.weight$|^(classifier|qa_outputs)\./;
