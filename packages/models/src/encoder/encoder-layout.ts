import type { SiteRole } from '@tunesmith/core';
import type { EncoderActivation, EncoderBlockNames } from './encoder-block.js';

/** Module names and the few functions in which the encoders differ. */
export interface EncoderLayout {
  /** The bare model's name within a model with a head: `bert`. */
  readonly prefix: string;
  /** Where its blocks are numbered: `encoder.layer`. */
  readonly blocks: string;
  readonly block: EncoderBlockNames;
  /** Whether positions are counted from the one after the padding token's, as fairseq does. */
  readonly positionsAfterPadding: boolean;
  /** Hidden states to logits over the vocabulary: out(norm(act(dense))). */
  readonly masked: {
    readonly dense: string;
    readonly norm: string;
    readonly output: string;
    readonly bias: string;
    /** The blocks' own if not said. */
    readonly activation?: EncoderActivation;
  };
  /** A sequence's first state to its logits: out(act(dense)). */
  readonly sequence: {
    readonly dense: string;
    readonly role: SiteRole;
    readonly activation: EncoderActivation | 'tanh';
    readonly output: string;
  };
}
