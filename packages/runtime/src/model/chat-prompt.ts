import { TunesmithError } from '@tunesmith/core';
import { type ChatMessage, loadChatTemplate, type Tokenizer } from '@tunesmith/data';

/**
 * Renders a conversation as the text that the model answers, by the tokenizer's chat template or the one named.
 * @throws CONFIG_INVALID for a model without a template
 */
export function chatPrompt(tokenizer: Tokenizer, named?: string): (messages: readonly ChatMessage[]) => string {
  const template = loadChatTemplate(tokenizer, named);
  if (template === null) {
    throw new TunesmithError('CONFIG_INVALID', 'the model has no chat template', {
      hint: 'Name one, such as chatml, or give plain text instead of a conversation.',
    });
  }
  return (messages) => template.render(messages, { addGenerationPrompt: true });
}
