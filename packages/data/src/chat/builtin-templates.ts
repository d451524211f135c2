/**
 * ChatML (OpenAI, 2023): `<|im_start|>role`, the content, `<|im_end|>`. For base models, and only when it is named:
 * a model that has a template of its own is trained and served with that one.
 */
const chatml = `{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}`;

/** Chat templates that can be named without the model having them. */
export const builtinTemplates: Readonly<Record<string, string>> = { chatml };
