package importer

// startsCode are keys that other programs run code for.
var startsCode = map[string]string{
	"auto_map":                         "no code of a model's folder is run",
	"custom_pipelines":                 "no code of a model's folder is run",
	"trust_remote_code":                "no code of a model's folder is run",
	"_attn_implementation_internal":    "attention is computed here",
	"_experts_implementation_internal": "experts are computed here",
	"_attn_implementation_autoset":     "attention is computed here",
	"attn_implementation":              "attention is computed here",
	"_attn_implementation":             "attention is computed here",
	"experts_implementation":           "experts are computed here",
	"_name_or_path_to_remote_code":     "no code of a model's folder is run",
	"_commit_hash":                     "nothing is fetched",
}

// harmlessKeys are keys of any configuration that change no number of what the model
// computes, by why they do not.
var harmlessKeys = reasons(map[string][]string{
	"says where it comes from":       {"_name_or_path", "name_or_path", "architectures", "model_type", "transformers_version", "auto_class", "zoo_recipe"},
	"every tensor says its own type": {"torch_dtype", "dtype"},
	"for the first weights only": {
		"initializer_range", "initializer_factor", "rescale_prenorm_residual", "time_step_scale", "time_step_init_scheme",
	},
	"for training only": {"attention_dropout", "hidden_dropout", "classifier_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "gradient_checkpointing"},
	"a promise about lengths, which the model does not count": {"max_position_embeddings", "max_sequence_length", "model_max_length"},
	"how it is computed": {
		"use_cache", "use_mamba_kernels", "use_mambapy", "use_falcon_mambapy", "use_associative_scan", "chunk_size_feed_forward", "num_logits_to_keep",
		"pretraining_tp", "torchscript", "_flash_attn_2_enabled", "low_cpu_mem_usage", "residual_in_fp32",
	},
	"what is answered besides": {"return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "output_router_logits", "output_scores", "return_dict_in_generate"},
	"for tasks besides language modelling": {
		"id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params", "summary_type", "summary_use_proj",
		"summary_activation", "summary_proj_to_labels", "summary_first_dropout",
	},
	"tokens, which the tokenizer names": {
		"bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id",
		"tokenizer_class", "prefix", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens",
	},
	"for generation": {
		"temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
		"num_beams", "num_beam_groups", "diversity_penalty", "max_length", "min_length", "do_sample", "early_stopping", "num_return_sequences",
		"remove_invalid_values", "exponential_decay_length_penalty",
	},
})

// mustBeOff are settings that no model here has, with the values that switch them off.
var mustBeOff = map[string][]any{
	"is_encoder_decoder": {false}, "add_cross_attention": {false}, "tie_encoder_decoder": {false}, "cross_attention_hidden_size": {},
	"is_decoder":          {false, true}, // a causal model is one either way
	"quantization_config": {}, "per_layer_config": {}, "pruned_heads": {map[string]any{}}, "use_bfloat16": {false}, "tf_legacy_loss": {false},
	"tie_last_hidden_states": {},
}

// reasons turns the lists around: each key with its reason.
func reasons(lists map[string][]string) map[string]string {
	out := map[string]string{}
	for reason, keys := range lists {
		for _, k := range keys {
			out[k] = reason
		}
	}
	return out
}
