import type { Tensor } from '../tensor/tfjs.js';
import type { ModelBuilder, SiteFunction } from './builder.js';
import type { GgufLayout } from './gguf-layout.js';
import type { Trace } from './trace.js';

/** Token ids and where they stand, as a forward pass reads them. */
export interface TokenColumns {
  /** int32 `[batch, seq]` */
  readonly ids: Tensor;
  /** int32 `[batch | 1, seq]` */
  readonly positions: Tensor;
  /** Which of a pair's texts each token is of, int32 `[batch, seq]`; the first everywhere, 0, where absent. */
  readonly tokenTypes?: Tensor;
  /** Which of a row's packed texts each token is of, and 0 in the padding, int32 `[batch, seq]`; absent where a row holds one. */
  readonly segments?: Tensor;
  /** What the tokens are an answer to, where an encoder reads that apart. */
  readonly source?: SourceColumns;
}

/** A text that an encoder reads, for the decoder beside it to look at. */
export interface SourceColumns {
  /** int32 `[batch, source]`; absent where a cache holds what was made of them. */
  readonly ids?: Tensor;
  /** 1 at the text and 0 at the padding, int32 `[batch, source]`. */
  readonly segments: Tensor;
}

/**
 * What a model computes from its hidden states: a next token's logits at every position, of a text or of an answer to a
 * text that an encoder reads; a hidden token's, one row of logits a sequence, labels of tokens, where an answer begins and ends, or nothing: the states themselves,
 * for embeddings.
 */
export type Task =
  | 'causal-lm'
  | 'seq2seq-lm'
  | 'masked-lm'
  | 'sequence-classification'
  | 'token-classification'
  | 'question-answering'
  | 'embedding';

/** The head that a family is to build. */
export interface TaskHead {
  readonly task: Task;
  /** Logits of a sequence, or of a token: classes, or targets of a regression. 0 where nothing is classified. */
  readonly labels: number;
}

/** A model built over sites, with the head of one task: what every objective and the generator run. */
export interface TaskModel {
  /** The hidden states after the last norm, `[batch, seq, hidden]`. */
  hidden(t: Trace, columns: TokenColumns): Tensor;
  /** What the vocabulary's head reads, `[..., hidden]` → `[..., features]`; the hidden states where absent. */
  transform?(t: Trace, hidden: Tensor): Tensor;
  /**
   * To logits over the vocabulary, `[..., features]` → `[..., vocabulary]`, over the labels of a token, or of an answer's beginning and end;
   * language models, taggers and models that find answers have it.
   */
  readonly head?: SiteFunction<'linear'>;
  /**
   * Hidden states `[batch, seq, hidden]` to a sequence's logits `[batch, labels]`; only classifiers have it. `last`
   * int32 `[batch]` says where each sequence's last token lies in the flattened `[batch · seq]`.
   */
  classify?(t: Trace, hidden: Tensor, last: Tensor): Tensor;
  /** What `classify` reads, `[batch, hidden]`: the state that stands for a sequence. */
  pool?(hidden: Tensor, last: Tensor): Tensor;
  /** The module that PEFT trains beside every adapter and saves with it: `classifier` or `score`. */
  readonly headModule?: string;
}

/** What the rest of the engine needs to know of a model without knowing its family. */
export interface ModelShape {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Longest sequence the positions allow; infinite where they are counted from token to token. */
  readonly maxPositions: number;
  /** The token that every answer begins with, where an encoder reads the prompt. */
  readonly answerStart?: number;
}

/** Names of modules within a block. */
export interface AdapterModules {
  readonly attention: string;
  readonly mlp: string;
}

/** Where checkpoints list the blocks, all alike: their names hold `<list>.<index>.`, and `count` is config.json's key of how many there are. */
export interface BlockList {
  readonly list: string;
  readonly count: string;
}

/** Modules whose weights transformers stacks into parameters of one module, such as a layer's experts. */
export interface StackedModules {
  /** Path within a block of what holds them, by their indices. */
  readonly modules: string;
  /** That module's path in transformers. */
  readonly stackedIn: string;
  /** For each of its parameters, in its order, the modules of an index whose weights lie there one below the other. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
}

/** What a run asks of a mixture of experts; whatever it does not name stays as config.json has it. */
export interface ExpertOptions {
  /** Weight of the loss that balances the experts' loads. */
  readonly balance?: number | undefined;
  /** Weight of the loss that keeps the routers' logits small. */
  readonly z?: number | undefined;
  /** In training, how many tokens of a row an expert takes, as a multiple of the mean. */
  readonly capacityFactor?: number | undefined;
}

/** A model architecture: its config, its forward pass over sites, and its weights' names. */
export interface Family<Config = unknown> {
  readonly name: string;
  /** Values of config.json's `model_type` that it takes. */
  readonly modelTypes: readonly string[];
  /** The tasks that it builds heads for, the one that nobody needs to name first; `causal-lm` alone where absent. */
  readonly tasks?: readonly [Task, ...Task[]];
  /** Reads config.json. A value that the forward pass doesn't honour is a CONFIG_INVALID error. */
  parseConfig(json: Record<string, unknown>): Config;
  describe(config: Config): ModelShape;
  build(builder: ModelBuilder, config: Config, head: TaskHead): TaskModel;
  /** Other names that checkpoints use for a weight, tried in order after the path itself. */
  weightAliases?(path: string): readonly string[];
  /**
   * The module that is the model without a head, by transformers' `base_model_prefix`: checkpoints of such a model, and adapters over one,
   * have names without it. None where absent.
   */
  readonly baseModelPrefix?: string;
  /** Checkpoint tensors that are no weights of the forward pass, such as old rotary tables, or another task's head. */
  readonly ignoredTensors?: RegExp;
  /** Where PEFT finds LoRA's targets by default, by module name (peft/utils/constants.py). */
  readonly defaultTargets: Readonly<Record<string, readonly string[]>>;
  /**
   * The modules within a block that AdapterHub's library keeps bottleneck adapters in, by the role of the sublayer
   * (adapters/models/<model>/mixin_<model>.py); where absent, those whose output is added to the stream.
   */
  readonly adapterModules?: AdapterModules;
  /** How GGUF files hold its models; it reads none where absent. */
  readonly gguf?: GgufLayout;
  /** PEFT marks adapters of models whose linear weights lie `[in, out]` with `fan_in_fan_out`. */
  readonly fanInFanOut?: boolean;
  /** config.json with what a run asks of the experts; a family without experts has none of it. */
  withExperts?(json: Readonly<Record<string, unknown>>, options: ExpertOptions): Record<string, unknown>;
  /** How its blocks are listed, so that a model of some of them can be made; absent where that is none of the family. */
  readonly blocks?: BlockList;
  /** What PEFT's `target_parameters` speaks of, where transformers keeps modules in stacks. */
  readonly stackedModules?: StackedModules;
}
