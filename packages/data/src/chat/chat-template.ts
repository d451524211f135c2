import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { didYouMean, TunesmithError } from '@tunesmith/core';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { JsonObject } from '../tokenizer/tokenizer-files.js';
import { builtinTemplates } from './builtin-templates.js';
import type { ChatMessage } from './chat-message.js';
import { strftime } from './strftime.js';

export interface RenderOptions {
  /** End with what makes the model answer, for inference. */
  readonly addGenerationPrompt?: boolean;
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly JsonObject[];
  /** Further variables of the template, for instance `enable_thinking`. */
  readonly variables?: JsonObject;
  /** What `strftime_now` takes for now; the clock unless given. */
  readonly now?: Date;
}

/** A model's way of writing a conversation as one text. */
export interface ChatTemplate {
  readonly name: string;
  readonly source: string;
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/**
 * The chat template of a tokenizer, or the named one.
 *
 * Without a name it is chat_template.jinja, else `chat_template` of tokenizer_config.json (its entry `default` where that is
 * a list), and null for a base model, which has none. A name picks an entry of the list or a built-in template (`chatml`);
 * `none` gives null, which writes instructions as plain text.
 */
export function loadChatTemplate(tokenizer: Tokenizer, name?: string): ChatTemplate | null {
  if (name === 'none') return null;
  const own = ownTemplates(tokenizer);
  const source = name === undefined ? own.default : (own[name] ?? builtinTemplates[name]);
  if (source !== undefined) return createChatTemplate(tokenizer, source, name ?? 'default');
  if (name === undefined && Object.keys(own).length === 0) return null;
  throw new TunesmithError('NAME_UNKNOWN', `there is no chat template ${JSON.stringify(name ?? 'default')}`, {
    ...(tokenizer.files.where !== undefined && { where: tokenizer.files.where }),
    hint: didYouMean(name ?? 'default', [...Object.keys(own), ...Object.keys(builtinTemplates), 'none']),
  });
}

/** Makes a template from its Jinja source, with the tokenizer's special tokens as variables. */
export function createChatTemplate(tokenizer: Tokenizer, source: string, name: string): ChatTemplate {
  const program = parse(source, name);
  const tokens = specialTokenTexts(tokenizer);
  return {
    name,
    source,
    render(messages, { addGenerationPrompt = false, tools, variables, now } = {}) {
      const environment = new Environment();
      const globals: Record<string, unknown> = {
        ...constants,
        ...tokens,
        strftime_now: (format: string) => strftime(now ?? new Date(), format),
        documents: null,
        ...variables,
        tools: tools ?? null,
        messages,
        add_generation_prompt: addGenerationPrompt,
      };
      for (const [key, value] of Object.entries(globals)) environment.set(key, value);
      try {
        return String(new Interpreter(environment).run(program).value);
      } catch (error) {
        throw new TunesmithError('DATA_INVALID', `the chat template refused: ${(error as Error).message}`, {
          where: `chat template ${name}`,
          hint: `It was given the roles ${messages.map(({ role }) => role).join(', ') || '(none)'}.`,
          cause: error,
        });
      }
    },
  };
}

/** What Jinja templates of transformers may use besides their variables. */
const constants = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception(message: string) {
    throw new Error(message);
  },
  range(...bounds: number[]) {
    const [start, stop, step = 1] =
      bounds.length === 1 ? [0, bounds[0] as number] : (bounds as [number, number, number?]);
    return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, index) => start + index * step);
  },
};

function parse(source: string, name: string): Template['parsed'] {
  try {
    return new Template(source).parsed;
  } catch (error) {
    throw new TunesmithError('FILE_INVALID', `the chat template is not valid Jinja: ${(error as Error).message}`, {
      where: `chat template ${name}`,
      cause: error,
    });
  }
}

function ownTemplates({ files }: Tokenizer): Record<string, string> {
  const configured = files.tokenizerConfig?.chat_template;
  const listed = Array.isArray(configured) ? (configured as { name: string; template: string }[]) : [];
  return {
    ...(typeof configured === 'string' && { default: configured }),
    ...Object.fromEntries(listed.map(({ name, template }) => [name, template])),
    ...(files.chatTemplate !== undefined && { default: files.chatTemplate }),
  };
}

function specialTokenTexts({ bosId, eosId, unkId, padId, idToToken }: Tokenizer): Record<string, string> {
  const ids = { bos_token: bosId, eos_token: eosId, unk_token: unkId, pad_token: padId };
  const texts = Object.entries(ids).map(([key, id]) => [key, id === null ? undefined : idToToken(id)] as const);
  return Object.fromEntries(texts.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
