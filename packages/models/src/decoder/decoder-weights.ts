/** Rotary tables that checkpoints of transformers before 4.31 hold; they follow from the config. */
export const ignoredDecoderTensors = /\.rotary_emb\.inv_freq$/;
