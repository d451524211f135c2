/** Buffers beside A, E and B, which a run's checkpoint holds and an adapter file does not. */

/** 1 for each rank that is kept, beside `lora_E`. */
export const keptSuffix = '.kept';
/** What is remembered of a parameter's elements, or which ranks are kept. */
export const stateSuffix = /\.(importance|uncertainty|kept)$/;
/** The length of the run that trained it, which PEFT's config must say. */
export const stepsName = 'steps';
