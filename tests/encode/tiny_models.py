"""Tiny models of every family: random weights, tokenizers of bytes or letters, made from a config into a folder.

They show that shapes, padding, pooling and pictures are handled right; of quality they show nothing.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    LlamaConfig,
    LlamaForCausalLM,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

torch.set_num_threads(1)  # models this small only wait for each other's threads

VISION_TOKENS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,  # .02 leaves so small a model next to blind
}
SEEING = {**TOWER, "image_size": 32, "patch_size": 8}


def letters(path: Path) -> int:
    """A BERT tokenizer whose pieces are single letters; returns the size of its vocabulary."""
    alphabet = [chr(c) for c in range(33, 127)] + list("一税你好")
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *alphabet, *(f"##{c}" for c in alphabet)]
    made = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **names, model_max_length=64).save_pretrained(path)
    return len(vocab)


def bytes_(path: Path, special: list[str], *, end: str, pad: str, begin: str = "", closes: bool = True, **said) -> int:
    """A tokenizer of bytes; `closes` = it puts `end` behind every text by itself. Returns the vocabulary's size."""
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([t for t in dict.fromkeys([begin, end, pad, *special]) if t])
    if closes:
        used = [(t, made.token_to_id(t)) for t in (begin, end) if t]
        made.post_processor = processors.TemplateProcessing(f"{begin} $A {end}".strip(), special_tokens=used)
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end, pad_token=pad, **said).save_pretrained(path)
    return made.get_vocab_size()


def modules(path: Path, pooling: str, *, normalize: bool = True, **config) -> None:
    """Put sentence-transformers' files beside a model."""
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
    places = ["", "1_Pooling", "2_Normalize"]
    listed = [
        {"idx": i, "name": str(i), "path": places[i], "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (path / "modules.json").write_text(json.dumps(listed))
    (path / "1_Pooling").mkdir(exist_ok=True)
    said = {"word_embedding_dimension": 32, "pooling_mode": pooling}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(said))
    if config:
        (path / "config_sentence_transformers.json").write_text(json.dumps(config))


def bert(path: Path, pooling: str = "mean", **config) -> Path:
    """BERT with modules.json."""
    torch.manual_seed(0)
    vocab = letters(path)
    BertModel(BertConfig(vocab_size=vocab, max_position_embeddings=64, **TOWER)).save_pretrained(path)
    modules(path, pooling, **config)
    return path


def xlmr(path: Path) -> Path:
    """XLM-RoBERTa that states nothing: its positions start behind the padding token's id."""
    torch.manual_seed(0)
    vocab = bytes_(path, [], begin="<s>", end="</s>", pad="<pad>", model_max_length=64)
    config = XLMRobertaConfig(vocab_size=vocab, max_position_embeddings=vocab + 66, pad_token_id=vocab - 1, **TOWER)
    XLMRobertaModel(config).save_pretrained(path)
    return path


def silent(path: Path) -> Path:
    """A Qwen3 whose files do not say how it is read."""
    return causal(path, closes=False, stated=False)


def causal(path: Path, kind: str = "qwen3", *, closes: bool = True, stated: bool = True, **config) -> Path:
    """A causal language model that is read at its last token; `stated` = its files say so."""
    torch.manual_seed(0)
    vocab = bytes_(path, [], end="<|endoftext|>", pad="<|pad|>", closes=closes, model_max_length=64)
    sizes = {**TOWER, "num_key_value_heads": 2, "max_position_embeddings": 64, "vocab_size": vocab}
    if kind == "qwen3":
        Qwen3ForCausalLM(Qwen3Config(**sizes, head_dim=8)).save_pretrained(path)
    else:
        LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(path)
    if stated:
        modules(path, "lasttoken", **config)
    return path


def clip(path: Path) -> Path:
    """CLIP."""
    torch.manual_seed(0)
    vocab = bytes_(path, [], begin="<|startoftext|>", end="<|endoftext|>", pad="<|pad|>", model_max_length=32)
    text = {
        **TOWER,
        "vocab_size": vocab,
        "max_position_embeddings": 32,
        "eos_token_id": vocab - 2,
        "projection_dim": 16,
    }
    config = CLIPConfig(text_config=text, vision_config={**SEEING, "projection_dim": 16}, projection_dim=16)
    CLIPModel(config).save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def metaclip(path: Path) -> Path:
    """MetaCLIP 2."""
    torch.manual_seed(0)
    vocab = bytes_(path, [], begin="<s>", end="</s>", pad="<pad>", model_max_length=32)
    text = {**TOWER, "vocab_size": vocab, "max_position_embeddings": 32, "eos_token_id": 257, "projection_dim": 16}
    config = MetaClip2Config(text_config=text, vision_config={**SEEING, "projection_dim": 16}, projection_dim=16)
    MetaClip2Model(config).save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def chinese_clip(path: Path) -> Path:
    """Chinese-CLIP: a BERT reads."""
    torch.manual_seed(0)
    vocab = letters(path)
    text = {**TOWER, "vocab_size": vocab, "max_position_embeddings": 64}
    config = ChineseCLIPConfig(text_config=text, vision_config=SEEING, projection_dim=16)
    ChineseCLIPModel(config).save_pretrained(path)
    ChineseCLIPImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False).save_pretrained(path)
    return path


def siglip(path: Path) -> Path:
    """SigLIP, and the fixed sizes of SigLIP 2: 64 positions of text."""
    torch.manual_seed(0)
    vocab = bytes_(path, [], end="</s>", pad="<pad>", model_max_length=64, model_input_names=["input_ids"])
    text = {**TOWER, "vocab_size": vocab, "max_position_embeddings": 64, "projection_size": 32}
    SiglipModel(SiglipConfig(text_config=text, vision_config=SEEING)).save_pretrained(path)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def naflex(path: Path) -> Path:
    """SigLIP 2 NaFlex: pictures keep their shape."""
    torch.manual_seed(0)
    bytes_ = {f"<0x{b:02X}>": b + 5 for b in range(256)}
    made = Siglip2Tokenizer(
        vocab={"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4} | bytes_, add_eos_token=True
    )
    made._tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    made.save_pretrained(path)
    text = {**TOWER, "vocab_size": 261, "max_position_embeddings": 64, "projection_size": 32}
    seeing = {**TOWER, "num_patches": 16, "patch_size": 8}
    Siglip2Model(Siglip2Config(text_config=text, vision_config=seeing)).save_pretrained(path)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(path)
    return path


def qwen_vl(path: Path, kind: str) -> Path:
    """Qwen2-VL, Qwen2.5-VL or Qwen3-VL."""
    torch.manual_seed(0)
    vocab = bytes_(path, VISION_TOKENS, end="<|endoftext|>", pad="<|pad|>", closes=False)
    ids = {f"{n}_token_id": 256 + 2 + VISION_TOKENS.index(f"<|{t}|>") for n, t in _NAMES.items()}
    text = {**TOWER, "vocab_size": vocab, "num_key_value_heads": 2, "max_position_embeddings": 512}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    patch = 16 if kind == "qwen3_vl" else 14
    eye = {"depth": 2, "num_heads": 4, "patch_size": patch, "temporal_patch_size": 2, "spatial_merge_size": 2}
    if kind == "qwen2_vl":
        eye |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
        config = Qwen2VLConfig(text_config={**text, "rope_parameters": rope}, vision_config=eye, **ids)
        Qwen2VLForConditionalGeneration(config).save_pretrained(path)
    elif kind == "qwen2_5_vl":
        eye |= {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64, "fullatt_block_indexes": [1]}
        config = Qwen2_5_VLConfig(text_config={**text, "rope_parameters": rope}, vision_config=eye, **ids)
        Qwen2_5_VLForConditionalGeneration(config).save_pretrained(path)
    else:
        eye |= {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64, "deepstack_visual_indexes": [0]}
        text |= {"head_dim": 8, "rope_parameters": rope}
        config = Qwen3VLConfig(text_config=text, vision_config={**eye, "num_position_embeddings": 64}, **ids)
        Qwen3VLForConditionalGeneration(config).save_pretrained(path)
    Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        size={"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 12 * (2 * patch) ** 2},
    ).save_pretrained(path)
    return path


_NAMES = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
