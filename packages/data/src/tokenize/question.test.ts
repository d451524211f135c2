import { describe, expect, it } from 'vitest';
import { loadChatTemplate } from '../chat/chat-template.js';
import { byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import type { Example } from '../format/example.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { questionOf } from './question.js';

const template = loadChatTemplate(createTokenizer(byteLevelFiles()), 'chatml');
const turn = { instruction: 'Add', input: '1 and 2', output: '3' };

describe('questionOf', () => {
  it('is a prompt and its completion', () => {
    const pair: Example = { kind: 'pair', prompt: 'a: ', completion: 'b' };
    expect(questionOf(pair, { template: null })).toEqual({ prompt: 'a: ', expected: 'b' });
  });

  it('is the last answer of a conversation, after all that comes before it and what begins an answer', () => {
    const chat: Example = {
      kind: 'chat',
      messages: [
        { role: 'user', content: 'one' },
        { role: 'assistant', content: 'two' },
        { role: 'user', content: 'three' },
        { role: 'assistant', content: 'four' },
      ],
      promptMessages: 0,
    };
    const { prompt, expected } = questionOf(chat, { template });
    expect(prompt).toMatch(/one[\s\S]*two[\s\S]*three[\s\S]*<\|im_start\|>assistant\n$/);
    expect(expected).toBe('four');
  });

  it('is an instruction, with a template or without', () => {
    const example: Example = { kind: 'instruction', turns: [turn] };
    expect(questionOf(example, { template })).toMatchObject({
      prompt: expect.stringMatching(/Add\n1 and 2[\s\S]*assistant\n$/),
      expected: '3',
    });
    expect(questionOf(example, { template: null })).toMatchObject({
      prompt: expect.stringMatching(/Add[\s\S]*1 and 2[\s\S]*Response:\n?$/),
      expected: '3',
    });
  });

  it('is none in a text', () => {
    const text: Example = { kind: 'text', text: 'a', source: { file: 'rows.jsonl', row: 3 } };
    expect(() => questionOf(text, { template: null })).toThrow(
      /DATA_INVALID at rows\.jsonl:3.*asks nothing.*expected a prompt and an answer, got the format of a text/,
    );
  });
});
