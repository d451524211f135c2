/** What the files of a Hugging Face model folder are called. */
export const configFile = 'config.json';
export const generationConfigFile = 'generation_config.json';
export const weightsFile = 'model.safetensors';
export const weightIndexFile = 'model.safetensors.index.json';

/** What sentence-transformers keeps beside a model that makes vectors of texts. */
export const sentenceFiles: readonly string[] = [
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
];

/** All that any kind of tokenizer is made of; a folder has a few of these. */
export const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
];
