/** What every adapter folder's config is called, whoever wrote it. */
export const adapterConfigFile = 'adapter_config.json';

export const peftWeightsFile = 'adapter_model.safetensors';

/** AdapterHub's (adapters/utils.py, `SAFE_WEIGHTS_NAME`). */
export const hubWeightsFile = 'adapter.safetensors';
export const hubHeadFile = 'model_head.safetensors';

/** Tunesmith's manifest beside them: what the config has no field for. Others ignore it. */
export const adapterManifestFile = 'tunesmith.json';
