import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from './decoder.js';
import type { DecoderConfig } from './decoder-config.js';
import { decoderTasks } from './decoder-head.js';
import { ignoredDecoderTensors } from './decoder-weights.js';

/** What each of the families that are built like Llama has of its own; the rest follows from its config. */
type Own = Pick<
  Family<DecoderConfig>,
  'name' | 'parseConfig' | 'defaultTargets' | 'gguf' | 'stackedModules' | 'withExperts'
>;

/** A family of Llama's layout, whose name is its `model_type`. */
export function decoderFamily(own: Own): Family<DecoderConfig> {
  return {
    ...own,
    modelTypes: [own.name],
    tasks: decoderTasks,
    describe: describeDecoder,
    build: buildDecoder,
    ignoredTensors: ignoredDecoderTensors,
    blocks: { list: 'layers', count: 'num_hidden_layers' },
    adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
  };
}
