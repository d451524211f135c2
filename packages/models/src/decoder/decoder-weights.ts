/** Rotary tables that checkpoints of transformers before 4.31 hold; they follow from the config. And heads for other tasks. */
export const ignoredDecoderTensors = /\.rotary_emb\.inv_freq$|^lm_head\.weight$|^(score|qa_outputs)\./;

/** A weight as it is called where the model around it is called otherwise, as within one that finds answers, or is none. */
export function decoderAliases(path: string): readonly string[] {
  const bare = path.replace(/^(model|transformer)\./, '');
  return bare === path ? [] : [`model.${bare}`, `transformer.${bare}`, bare].filter((name) => name !== path);
}
