import type { ParameterGroup } from '@tunesmith/core';
import type { LoraConfig } from './config.js';

/**
 * LoRA+ (Hayou et al. 2024, §5): B learns faster than A by a ratio. As peft/optimizers/loraplus.py divides them: everything
 * one-dimensional goes with B, an embedding's A and B have a rate of their own; decay is the trainer's, and none for biases.
 */
export function loraPlusGroups({ loraPlusRatio, loraPlusEmbeddingRate }: LoraConfig): readonly ParameterGroup[] {
  if (loraPlusRatio === undefined) return [];
  return [
    { match: ({ tags }) => tags.includes('lora_embedding'), learningRate: loraPlusEmbeddingRate },
    { match: ({ tags, shape }) => tags.includes('lora_B') || shape.length === 1, scale: loraPlusRatio },
  ];
}
