export { builtinTemplates } from './chat/builtin-templates.js';
export type { ChatMessage, ToolCall } from './chat/chat-message.js';
export type { ChatTemplate, RenderOptions } from './chat/chat-template.js';
export { createChatTemplate, loadChatTemplate } from './chat/chat-template.js';
export type { ConversationOptions, ConversationSpan } from './chat/conversation-spans.js';
export { conversationSpans } from './chat/conversation-spans.js';
export type { CheckOptions, DataCheck } from './check/check-data.js';
export { checkData } from './check/check-data.js';
export type { LabelHistogram } from './check/label-histogram.js';
export type { LengthBin, LengthHistogram } from './check/length-histogram.js';
export type { WeightedText } from './check/weighted-text.js';
export { weightedText } from './check/weighted-text.js';
export { collectLabels } from './dataset/collect-labels.js';
export { contentHash } from './dataset/content-hash.js';
export type { Dataset, DatasetOptions, WholeDataset } from './dataset/dataset.js';
export { createDataset } from './dataset/dataset.js';
export type { ExampleOptions, ExamplePosition, ReadExample } from './dataset/read-examples.js';
export { detectFileFormat, readExamples } from './dataset/read-examples.js';
export type { StreamOptions } from './dataset/stream-rows.js';
export { streamRows } from './dataset/stream-rows.js';
export type { DataReport, PairReport } from './dataset/tally.js';
export type { DetectedFormat, FormatOptions } from './format/detect-format.js';
export { detectFormat } from './format/detect-format.js';
export type {
  AnswerExample,
  ChatExample,
  ComparedExample,
  Example,
  InstructionExample,
  InstructionTurn,
  LabelledExample,
  PairExample,
  PreferenceExample,
  PromptExample,
  RatedExample,
  RowSource,
  TaggedExample,
  TextExample,
} from './format/example.js';
export { rowLabel } from './format/example.js';
export type { Format, FormatName, FormatRows } from './format/formats.js';
export { formats, parseRow } from './format/formats.js';
export type { LabelScheme } from './format/label-scheme.js';
export type { ColumnMap, RowReader } from './format/row-reader.js';
export type { PackOptions } from './pack/pack-rows.js';
export { packRows } from './pack/pack-rows.js';
export type { FilePosition, FileRow, ReadOptions } from './read/file-row.js';
export { readRows } from './read/read-rows.js';
export { alpacaPrompt } from './tokenize/alpaca-prompt.js';
export { encodePrompt } from './tokenize/encode-spans.js';
export type { EncodedTexts } from './tokenize/encode-texts.js';
export { encodeTexts } from './tokenize/encode-texts.js';
export type { EncodedWords } from './tokenize/encode-words.js';
export { encodeWords } from './tokenize/encode-words.js';
export type { ExampleSpanOptions } from './tokenize/example-spans.js';
export { instructionMessages } from './tokenize/example-spans.js';
export type { Question } from './tokenize/question.js';
export { questionOf } from './tokenize/question.js';
export type { TokenizedExample, TokenizedPair, TokenizeOptions } from './tokenize/tokenize-example.js';
export { defaultPromptLossWeight, tokenizeExample } from './tokenize/tokenize-example.js';
export { ggufTokenizer } from './tokenizer/gguf-tokenizer.js';
export type { SpecialTokens } from './tokenizer/special-tokens.js';
export type { TextStream } from './tokenizer/text-stream.js';
export type { TemplatePart, TextTemplates } from './tokenizer/text-template.js';
export type { DecodeOptions, EncodeOptions, TextStreamOptions, Tokenizer } from './tokenizer/tokenizer.js';
export { createTokenizer, loadTokenizer } from './tokenizer/tokenizer.js';
export type { JsonObject, TokenizerFiles } from './tokenizer/tokenizer-files.js';
export { readTokenizerFiles } from './tokenizer/tokenizer-files.js';
