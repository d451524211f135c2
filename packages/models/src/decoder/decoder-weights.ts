/** Rotary tables that checkpoints of transformers before 4.31 hold; they follow from the config. And heads for other tasks. */
export const ignoredDecoderTensors = /\.rotary_emb\.inv_freq$|^lm_head\.weight$|^score\./;
