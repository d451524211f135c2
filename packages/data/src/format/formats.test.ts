import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { detectFormat, type FormatOptions } from './detect-format.js';
import { parseRow } from './formats.js';

const source = { file: 'rows.jsonl', row: 3 };

function parse(row: JsonObject, options: FormatOptions = {}) {
  const { source: _, ...example } = parseRow(row, detectFormat([row], source.file, options), source, options.columns);
  return example;
}

describe('a row becomes an example', () => {
  it('text', () => {
    expect(parse({ text: '从前有一只猫。', id: 7 })).toEqual({ kind: 'text', text: '从前有一只猫。' });
  });

  it('alpaca, with system and history', () => {
    expect(parse({ instruction: '翻译', input: null, output: 'translate' })).toEqual({
      kind: 'instruction',
      turns: [{ instruction: '翻译', input: '', output: 'translate' }],
    });
    expect(
      parse({ instruction: 'b', input: 'x', output: 'c', system: 's', history: [['a', 'A']], text: 'ignored' }),
    ).toEqual({
      kind: 'instruction',
      system: 's',
      turns: [
        { instruction: 'a', input: '', output: 'A' },
        { instruction: 'b', input: 'x', output: 'c' },
      ],
    });
  });

  it('sharegpt, with system, tools and function calls', () => {
    const conversations = [
      { from: 'human', value: 'weather?' },
      { from: 'function_call', value: '{"name": "look", "arguments": {"at": "sky"}}' },
      { from: 'observation', value: 'rain' },
      { from: 'gpt', value: 'It rains.' },
    ];
    expect(parse({ conversations, system: 'be short', tools: '[{"name":"look"}]' })).toEqual({
      kind: 'chat',
      promptMessages: 0,
      tools: [{ name: 'look' }],
      messages: [
        { role: 'system', content: 'be short' },
        { role: 'user', content: 'weather?' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ type: 'function', function: { name: 'look', arguments: { at: 'sky' } } }],
        },
        { role: 'tool', content: 'rain' },
        { role: 'assistant', content: 'It rains.' },
      ],
    });
  });

  it('messages, with parts, weights and tool calls', () => {
    const call = { id: '1', type: 'function', function: { name: 'f', arguments: '{"x": 1}' } };
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', content: '2', tool_call_id: '1' },
      { role: 'assistant', content: 'two', weight: 0 },
    ];
    expect(parse({ messages })).toEqual({
      kind: 'chat',
      promptMessages: 0,
      messages: [
        { role: 'user', content: 'ab' },
        { role: 'assistant', content: '', tool_calls: [{ ...call, function: { name: 'f', arguments: { x: 1 } } }] },
        messages[2],
        messages[3],
      ],
    });
  });

  it('prompt and completion, as text or as messages, also from a CSV cell', () => {
    expect(parse({ prompt: 'a', completion: 'b' })).toEqual({ kind: 'pair', prompt: 'a', completion: 'b' });
    const prompt = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'given' },
      { role: 'user', content: 'b' },
    ];
    const completion = [{ role: 'assistant', content: 'c' }];
    const expected = { kind: 'chat', messages: [...prompt, ...completion], promptMessages: 3 };
    expect(parse({ prompt, completion })).toEqual(expected);
    expect(parse({ prompt: JSON.stringify(prompt), completion: JSON.stringify(completion) })).toEqual(expected);
  });

  it('other column names', () => {
    const columns = { prompt: 'question', completion: 'answer' };
    expect(parse({ question: 'q', answer: 'a' }, { columns })).toEqual({ kind: 'pair', prompt: 'q', completion: 'a' });
  });
});

describe('an error says where and what', () => {
  it.each<[string, JsonObject, FormatOptions, RegExp]>([
    ['a number for text', { text: 5 }, {}, /DATA_INVALID at rows\.jsonl:3, column text: .*expected text, got 5\./],
    [
      'a missing column',
      { instruction: 'a' },
      { format: 'alpaca' },
      /:3, column output: .*expected text, got nothing\. The row has instruction\./,
    ],
    [
      'a mapped column',
      { q: 1, answer: 'a' },
      { columns: { prompt: 'q', completion: 'answer' } },
      /:3, column q: .*a list, got 1/,
    ],
    [
      'a role',
      { messages: [{ role: 'assistent', content: '' }] },
      {},
      /column messages\[0\]\.role: .*Did you mean assistant.*got "assistent"/,
    ],
    [
      'a sharegpt role',
      { conversations: [{ from: 'robot', value: '' }] },
      {},
      /column conversations\[0\]\.from: .*human/,
    ],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image' }] }] },
      {},
      /messages\[0\]\.content\[0\]: .*type text/,
    ],
    [
      'no answer',
      { messages: [{ role: 'user', content: 'a' }] },
      {},
      /column messages: .*at least one message of the assistant/,
    ],
    [
      'a prompt only',
      { prompt: [{ role: 'assistant', content: '' }], completion: [] },
      {},
      /column completion: .*assistant/,
    ],
    ['a history', { instruction: '', output: '', history: [['a']] }, {}, /column history\[0\]: .*pair/],
    [
      'a tool call',
      { messages: [{ role: 'assistant', tool_calls: [{}] }] },
      {},
      /tool_calls\[0\]\.function: .*name and arguments/,
    ],
    [
      'a sharegpt call',
      { conversations: [{ from: 'function_call', value: 'x' }] },
      {},
      /conversations\[0\]\.value: .*function call/,
    ],
    [
      'preferences',
      { prompt: 'a', completion: 'b', chosen: 'b', rejected: 'c' },
      {},
      /preference data.*name the format \(prompt-completion\)/,
    ],
    ['labels', { prompt: 'a', completion: 'b', label: false }, {}, /preference data/],
    [
      'unknown columns',
      { question: 'q', answer: 'a' },
      {},
      /got the columns question, answer\. .*columns: { prompt: question, completion: answer }/,
    ],
    [
      'an unknown map',
      { text: 'a' },
      { columns: { txt: 'text' } },
      /CONFIG_INVALID at columns\.txt: .*Did you mean text\?/,
    ],
    [
      'a map to nothing',
      { text: 'a', b: 1 },
      { format: 'text', columns: { text: 'texts' } },
      /no row has the column "texts".*Did you mean text\?/,
    ],
  ])('%s', (_, row, options, message) => {
    expect(() => parse(row, options)).toThrow(message);
  });

  it('an unknown format, and no rows at all', () => {
    expect(() => detectFormat([{}], 'f', { format: 'alpacca' as never })).toThrow(
      /NAME_UNKNOWN.*Did you mean alpaca\?/,
    );
    expect(() => detectFormat([], 'f')).toThrow(/DATA_INVALID at f: there are no rows/);
  });
});
