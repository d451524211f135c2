/** What the files of a PEFT adapter folder are called. */
export const adapterConfigFile = 'adapter_config.json';
export const adapterWeightsFile = 'adapter_model.safetensors';

/** Tunesmith's manifest beside them: what PEFT's config has no field for. PEFT ignores it. */
export const adapterManifestFile = 'tunesmith.json';
