import type { Family } from '@tunesmith/core';
import { buildDecoder, describeDecoder } from './decoder.js';
import type { DecoderConfig } from './decoder-config.js';
import { decoderTasks } from './decoder-head.js';
import { decoderAliases, ignoredDecoderTensors } from './decoder-weights.js';

const trunk = 'model';

/** What each of the families that are built like Llama has of its own; the rest follows from its config. */
type Own = Pick<
  Family<DecoderConfig>,
  'name' | 'parseConfig' | 'defaultTargets' | 'gguf' | 'stackedModules' | 'withExperts'
> & {
  /** What transformers calls the model within one that finds answers; `model`, as elsewhere, if not said. */
  readonly answerTrunk?: string;
};

/** A family of Llama's layout, whose name is its `model_type`. */
export function decoderFamily({ answerTrunk = trunk, ...own }: Own): Family<DecoderConfig> {
  return {
    ...own,
    modelTypes: [own.name],
    baseModelPrefix: trunk,
    tasks: decoderTasks,
    describe: describeDecoder,
    build: (builder, config, head) =>
      buildDecoder(builder, config, head, head.task === 'question-answering' ? answerTrunk : trunk),
    weightAliases: decoderAliases,
    ignoredTensors: ignoredDecoderTensors,
    blocks: { list: 'layers', count: 'num_hidden_layers' },
    adapterModules: { attention: 'attention_adapters', mlp: 'output_adapters' },
  };
}
