import { describe, expect, it } from 'vitest';
import { byteFallbackFiles, byteLevelFiles } from '../fixtures/tiny-tokenizers.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import type { ChatMessage } from './chat-message.js';
import { createChatTemplate, loadChatTemplate } from './chat-template.js';
import { conversationSpans } from './conversation-spans.js';

const byteLevel = createTokenizer(byteLevelFiles());
const llama = createTokenizer(byteFallbackFiles());
const chatml = loadChatTemplate(byteLevel, 'chatml')!;

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system = (content: string): ChatMessage => ({ role: 'system', content });

/** Llama 2's template in short: bos in the template, no generation prompt, the system message inside the first turn. */
const llama2 = createChatTemplate(
  llama,
  `{% if messages[0].role == 'system' %}{% set sys = '<<SYS>>' + messages[0].content + '<</SYS>>' %}{% set rest = messages[1:] %}
{%- else %}{% set sys = '' %}{% set rest = messages %}{% endif %}
{%- if rest|length == 0 %}{{ raise_exception('a user message must come first') }}{% endif %}
{%- for message in rest %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{%- if message.role == 'user' %}{{ bos_token + '[INST] ' + (sys if loop.first else '') + message.content + ' [/INST]' }}
{%- else %}{{ ' ' + message.content + ' ' + eos_token }}{% endif %}{% endfor %}`,
  'llama2',
);

/** Qwen3's habit: a thought is kept only in the last turn. */
const forgetful = createChatTemplate(
  byteLevel,
  `{% for message in messages %}<|im_start|>{{ message.role }}
{% if message.role == 'assistant' and loop.last %}<think></think>{% endif %}{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`,
  'forgetful',
);

describe('loadChatTemplate', () => {
  it('takes the model’s own, the named one, a built-in one, or none', () => {
    expect(loadChatTemplate(byteLevel)).toBeNull();
    expect(loadChatTemplate(byteLevel, 'none')).toBeNull();
    const list = [
      { name: 'default', template: 'D' },
      { name: 'rag', template: 'R' },
    ];
    const listed = createTokenizer({ ...byteLevelFiles(), tokenizerConfig: { chat_template: list } });
    expect(loadChatTemplate(listed)?.render([])).toBe('D');
    expect(loadChatTemplate(listed, 'rag')?.render([])).toBe('R');
    const nameless = createTokenizer({ ...byteLevelFiles(), tokenizerConfig: { chat_template: list.slice(1) } });
    expect(() => loadChatTemplate(nameless)).toThrow(/NAME_UNKNOWN.*"default".*Known: rag, chatml, none/);
    const both = createTokenizer({ ...byteLevelFiles(), tokenizerConfig: { chat_template: 'C' }, chatTemplate: 'J' });
    expect(loadChatTemplate(both)?.render([])).toBe('J');
    expect(() => loadChatTemplate(byteLevel, 'chatlm')).toThrow(/NAME_UNKNOWN.*"chatlm".*Did you mean chatml\?/);
  });

  it('says when a template is not Jinja', () => {
    expect(() => createChatTemplate(byteLevel, '{% if %}', 'broken')).toThrow(/FILE_INVALID at chat template broken/);
  });
});

describe('render', () => {
  it('writes ChatML', () => {
    expect(chatml.render([system('be'), user('hi')], { addGenerationPrompt: true })).toBe(
      '<|im_start|>system\nbe<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('gives templates the special tokens, tools, the date and further variables', () => {
    const source = `{{ bos_token }}|{{ eos_token }}|{{ tools is none }}|{{ strftime_now('%d %b %Y, %B') }}|{{ mood }}|
{%- for i in range(1, 4) %}{{ i }}{% endfor %}{% for i in range(2) %}{{ i }}{% endfor %}`;
    const template = createChatTemplate(llama, source, 'variables');
    const now = new Date(2024, 6, 6);
    expect(template.render([], { now, variables: { mood: 'calm' } })).toBe(
      '<s>|</s>|true|06 Jul 2024, July|calm|12301',
    );
    const tools = [{ type: 'function' }];
    expect(createChatTemplate(llama, '{{ tools | tojson }}', 't').render([], { tools })).toBe('[{"type": "function"}]');
  });

  it('passes a template’s own refusal on', () => {
    expect(() => llama2.render([user('a'), user('b')])).toThrow(
      /DATA_INVALID at chat template llama2: the chat template refused: roles must alternate.*user, user/,
    );
  });
});

describe('conversationSpans', () => {
  const conversation = [system('be kind'), user('你好'), assistant('您好'), user('bye'), assistant('再见')];

  it('cuts a multi-turn conversation at its answers', () => {
    expect(conversationSpans(chatml, conversation)).toEqual([
      { kind: 'head', text: '<|im_start|>system\nbe kind<|im_end|>\n' },
      { kind: 'prompt', text: '<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n' },
      { kind: 'answer', text: '您好<|im_end|>\n' },
      { kind: 'prompt', text: '<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n' },
      { kind: 'answer', text: '再见<|im_end|>\n' },
    ]);
  });

  it('has no head where the template puts the system message into the first turn', () => {
    const spans = conversationSpans(llama2, conversation);
    expect(spans.map(({ kind }) => kind)).toEqual(['prompt', 'answer', 'prompt', 'answer']);
    expect(spans[1]?.text).toBe(' 您好 </s>');
    expect(spans.map(({ text }) => text).join('')).toBe(llama2.render(conversation));
  });

  it('takes the last answer only, those after the prompt, or those not weighted 0', () => {
    const answers = (options: Parameters<typeof conversationSpans>[2], messages = conversation) =>
      conversationSpans(chatml, messages, options)
        .filter(({ kind }) => kind === 'answer')
        .map(({ text }) => text);
    expect(answers({ lastAnswerOnly: true })).toEqual(['再见<|im_end|>\n']);
    expect(answers({ promptMessages: 4 })).toEqual(['再见<|im_end|>\n']);
    const weighted = conversation.map((message, index) => (index === 4 ? { ...message, weight: 0 } : message));
    expect(answers({}, weighted)).toEqual(['您好<|im_end|>\n']);
    expect(answers({}, [...conversation, user('and?')])).toEqual(['您好<|im_end|>\n', '再见<|im_end|>\n']);
  });

  it('refuses a template that rewrites earlier turns, unless only the last answer is trained', () => {
    expect(() => conversationSpans(forgetful, conversation)).toThrow(/message 3 differently.*trainOnHistory to false/);
    expect(conversationSpans(forgetful, conversation, { lastAnswerOnly: true }).at(-1)).toEqual({
      kind: 'answer',
      text: '<think></think>再见<|im_end|>\n',
    });
  });

  it('refuses a template whose generation prompt is not what training sees', () => {
    const thinking = createChatTemplate(
      byteLevel,
      "{% for m in messages %}{{ m.role + ':' + m.content }}{% endfor %}{% if add_generation_prompt %}assistant:<think>{% endif %}",
      'thinking',
    );
    expect(() => conversationSpans(thinking, [user('a'), assistant('b')])).toThrow(/up to its beginning/);
  });

  it('refuses a template that leaves a message or a tool call out', () => {
    const deaf = createChatTemplate(
      byteLevel,
      '{% for m in messages if m.role != "tool" %}{{ m.content }}{% endfor %}',
      'deaf',
    );
    const call = { function: { name: 'weather', arguments: { city: 'Köln' } } };
    const messages = [user('a'), assistant('b'), { role: 'tool', content: 'rain' }, assistant('c')];
    expect(() => conversationSpans(deaf, messages)).toThrow(/message 3 \(tool\): the template leaves out a message/);
    expect(() => conversationSpans(chatml, [user('a'), { ...assistant(''), tool_calls: [call] }])).toThrow(
      /message 2 \(assistant\): the template leaves out a tool call.*got "weather"/,
    );
    expect(() =>
      conversationSpans(chatml, [user('weather?'), { ...assistant('weather'), tool_calls: [call] }]),
    ).toThrow(/a tool call/);
    expect(conversationSpans(chatml, messages)).toHaveLength(4);
    expect(() => conversationSpans(chatml, messages, { tools: [{ name: 'weather' }] })).toThrow(/leaves out the tools/);
  });
});
