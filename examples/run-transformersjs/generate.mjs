// Greedy generation from an exported folder with stock transformers.js.
//
//   node generate.mjs DIR --prompt "Call me" --max-tokens 100
//
// DIR is what `zoo export RUN -o DIR/` wrote: config.json, tokenizer.json, onnx/model.onnx.
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { AutoModelForCausalLM, AutoTokenizer, Tensor, env } from '@huggingface/transformers';

const { values: opts, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: 'string', default: 'Call me' },
    ids: { type: 'string' }, // token ids instead of text: 72,105
    'max-tokens': { type: 'string', default: '100' },
    json: { type: 'boolean', default: false }, // print token ids
  },
});
const maxTokens = Number(opts['max-tokens']);
if (positionals.length !== 1 || !Number.isInteger(maxTokens) || maxTokens < 1) {
  console.error('usage: node generate.mjs DIR [--prompt TEXT | --ids N,N,...] [--max-tokens N] [--json]');
  process.exit(2);
}
const dir = resolve(positionals[0]);
if (!existsSync(join(dir, 'onnx', 'model.onnx'))) {
  console.error(`${dir}: no onnx/model.onnx in it; write such a folder with: zoo export RUN -o DIR/`);
  process.exit(2);
}

// Only local files: nothing is fetched, and the folder's name serves as the model's.
env.allowRemoteModels = false;
env.localModelPath = dirname(dir);
const name = basename(dir);

const model = await AutoModelForCausalLM.from_pretrained(name, {
  dtype: 'fp32',
  device: 'cpu',
  // One weight matrix an expert: prepacking would make loading slow and memory large at no gain in speed.
  session_options: { extra: { session: { disable_prepacking: '1' } } },
});
const tokenizer = opts.ids === undefined ? await AutoTokenizer.from_pretrained(name) : null;
const prompt = tokenizer ? tokenizer.encode(opts.prompt, { add_special_tokens: false }) : opts.ids.split(',').map(Number);
if (prompt.length === 0 || !prompt.every(Number.isInteger)) {
  console.error('the prompt must have at least one token, and --ids whole numbers with commas between');
  process.exit(2);
}

const row = (numbers) => new Tensor('int64', BigInt64Array.from(numbers, BigInt), [1, numbers.length]);
const output = await model.generate({
  input_ids: row(prompt),
  attention_mask: row(prompt.map(() => 1)),
  max_new_tokens: maxTokens,
  do_sample: false,
});
const ids = output.tolist()[0].map(Number).slice(prompt.length);

if (opts.json) console.log(JSON.stringify({ prompt_ids: prompt, ids }));
else if (tokenizer) console.log(tokenizer.decode([...prompt, ...ids]));
else console.log(ids.join(','));
