"""What ``clipdefense clean`` refuses before it computes anything, each in one sentence."""

from pathlib import Path

import pytest

REFUSED = {
    "finetuen": "no defense named 'finetuen'; did you mean 'finetune'?",
    "task_vector": "defense 'task_vector' needs 'triggered_pairs'; give --trigger ATTACK --target CLASS",
    "wise": "defense 'wise' needs 'reference_model'; give --reference with the clean model",
    "soup": "defense 'soup' needs 'sibling_models'; import the checkpoint into a matrix that grants them",
    "rvpt": "defense 'rvpt' works on vit models only; this is a resnet",
    "finetune --trigger badnts --target heart": "no attack named 'badnts'; did you mean 'badnets'?",
    "finetune --trigger badnets --target hart": "the pairs have no class 'hart'; give --target with one of: circle,",
    "finetune --trigger badclip --target heart": "attack 'badclip' optimises its trigger on the clean model",
    "finetune --trigger badnets --set trigger.sides=1": "attack 'badnets' has no parameter 'sides'; did you mean",
    "finetune --target heart": "belong to a trigger; name its attack with --trigger",
    "finetune --set epoch=3": "defense 'finetune' has no parameter 'epoch'; did you mean 'epochs'?",
    "finetune --set epochs": "--set epochs: write name=value",
    "finetune --set epochs=many": "defense 'finetune', parameter 'epochs' = 'many': ",
    "finetune --reference nowhere": "--reference nowhere: there is no such file, and 'tiny-resnet' has no tags",
    "finetune --reference ViT-B-32@nowhere.pt": "there is no checkpoint file 'nowhere.pt'",
    "finetune --out cleaned.pt": "--out cleaned.pt: the file is in safetensors format; let its name end",
    "finetune --out taken.safetensors": "--out taken.safetensors: there is something of this name already",
    "finetune --out suspect.safetensors --force": "this is the suspect itself, which is kept; choose another name",
    "finetune --out taken.safetensors/x.safetensors": "cannot write",
    "finetune --checkpoint nowhere.pt": "model 'tiny-resnet@nowhere.pt': there is no checkpoint file 'nowhere.pt'",
    "finetune --checkpoint page.pt": "checkpoint 'page.pt' is an HTML page instead of data",
    "finetune --model tiny-vit": "does not fit 'tiny-vit': ",
    "finetune --model ViT-B-322": "open_clip has no architecture 'ViT-B-322'; did you mean 'ViT-B-32'?",
    "finetune --pairs shaps": "--pairs shaps: there is no data set and no path of this name; did you mean 'shapes'?",
    "finetune --pairs empty": "'empty' has no parquet, tar, arrow or picture files; it is empty",
    "finetune --data digits.seed=3": "--data digits: the pairs are those of 'shapes'; write --data shapes.option=value",
    "finetune --count 500 --pairs digits": "dataset 'digits': split 'defender' holds 200 images, asked for 500",
    "finetune --device cuda:7": "device 'cuda:7' is not here (",
}


@pytest.mark.parametrize("choice", REFUSED)
def test_one_sentence_and_no_file(world, clean, choice):
    world.write("taken.safetensors", "kept")
    world.write("page.pt", "<html><title>Sign in</title></html>")
    (world.home / "empty").mkdir()
    finished = clean(*choice.split())
    assert finished.code == 2, finished.err
    assert REFUSED[choice] in finished.err
    assert len(finished.err.splitlines()) == 1
    assert not Path("cleaned.safetensors").exists()
    assert Path("taken.safetensors").read_text() == "kept"


def test_force_overwrites(world, clean):
    taken = world.write("taken.safetensors", "old")
    assert clean("none", "--force", out="taken.safetensors").code == 0
    assert taken.read_bytes() != b"old"
