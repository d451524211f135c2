import type { Tensor } from '../tensor/tfjs.js';
import type { ModelBuilder, SiteFunction } from './builder.js';
import type { Trace } from './trace.js';

/** Token ids and where they stand, as a forward pass reads them. */
export interface TokenColumns {
  /** int32 `[batch, seq]` */
  readonly ids: Tensor;
  /** int32 `[batch | 1, seq]` */
  readonly positions: Tensor;
}

/** A decoder built over sites: what every objective and the generator run. */
export interface CausalModel {
  /** The hidden states after the last norm, `[batch, seq, hidden]`. */
  hidden(t: Trace, columns: TokenColumns): Tensor;
  /** Hidden states to logits, `[..., hidden]` → `[..., vocabulary]`. */
  readonly head: SiteFunction<'linear'>;
}

/** What the rest of the engine needs to know of a model without knowing its family. */
export interface ModelShape {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Longest sequence the positions allow. */
  readonly maxPositions: number;
}

/** A model architecture: its config, its forward pass over sites, and its weights' names. */
export interface Family<Config = unknown> {
  readonly name: string;
  /** Values of config.json's `model_type` that it takes. */
  readonly modelTypes: readonly string[];
  /** Reads config.json. A value that the forward pass doesn't honour is a CONFIG_INVALID error. */
  parseConfig(json: Record<string, unknown>): Config;
  describe(config: Config): ModelShape;
  build(builder: ModelBuilder, config: Config): CausalModel;
  /** Other names that checkpoints use for a weight, tried in order after the path itself. */
  weightAliases?(path: string): readonly string[];
  /** Checkpoint tensors that are no weights of the forward pass, such as old rotary tables. */
  readonly ignoredTensors?: RegExp;
  /** Where PEFT finds LoRA's targets by default, by module name (peft/utils/constants.py). */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /** PEFT marks adapters of models whose linear weights lie `[in, out]` with `fan_in_fan_out`. */
  readonly fanInFanOut?: boolean;
}
