import { TunesmithError } from '@tunesmith/core';
import type { JsonObject } from '../json/strict-json.js';

/**
 * Whose adapter a folder holds. Several libraries write an `adapter_config.json` and mean different things by it; only
 * PEFT's has `peft_type`. The others are recognised to be named in the refusal.
 */
interface Dialect {
  readonly library: string;
  /** Judged by the folder's names and, where there is one, adapter_config.json. */
  matches(names: readonly string[], config: JsonObject): boolean;
  readonly hint: string;
}

const adapterHub: Dialect = {
  library: 'AdapterHub (adapters)',
  matches: (names, config) =>
    names.some((name) => ['adapter.safetensors', 'pytorch_adapter.bin', 'adapter_setup.json'].includes(name)) ||
    String(config.version ?? '').startsWith('adapters.') ||
    'model_class' in config,
  hint: 'Read it with openAdapter.',
};

const foreign: readonly Dialect[] = [
  adapterHub,
  {
    library: 'MLX-LM',
    matches: (names, config) =>
      names.includes('adapters.safetensors') || 'fine_tune_type' in config || 'lora_parameters' in config,
    hint: 'Its lora_a and lora_b are transposed and scaled by `scale` instead of alpha / r: convert it to PEFT first.',
  },
  {
    library: 'LitGPT',
    matches: (names) => names.some((name) => name.startsWith('lit_model')),
    hint: 'Convert it to Hugging Face with `litgpt convert_from_litgpt`, then save it with PEFT.',
  },
  {
    library: 'torchtune',
    matches: (names, config) =>
      names.some((name) => /^adapter_\d+\.pt$/.test(name)) || ('lora_alpha' in config && 'r' in config),
    hint: 'Save it in PEFT layout: set save_adapter_weights_only in torchtune for a Hugging Face model.',
  },
];

/** The refusal of a folder that is not PEFT's, naming the library that wrote it where it can be told. */
export function foreignAdapterError(names: readonly string[], config: JsonObject, path: string): TunesmithError {
  const dialect = foreign.find(({ matches }) => matches(names, config));
  if (dialect === undefined) {
    return new TunesmithError('FILE_INVALID', 'this is no PEFT adapter', {
      where: path,
      expected: 'peft_type in adapter_config.json',
      got: Object.keys(config).join(', ') || 'an empty object',
    });
  }
  const { library, hint } = dialect;
  return new TunesmithError('FILE_INVALID', `this adapter was written by ${library}, not PEFT`, { where: path, hint });
}

/** Whether a folder is AdapterHub's, which `openAdapter` reads. */
export function isAdapterHub(names: readonly string[], config: JsonObject): boolean {
  return typeof config.peft_type !== 'string' && foreign.find(({ matches }) => matches(names, config)) === adapterHub;
}

/** Whether a folder without adapter_config.json is known to hold another library's adapter. */
export function isForeignAdapter(names: readonly string[]): boolean {
  return foreign.some(({ matches }) => matches(names, {}));
}
