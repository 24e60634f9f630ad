"""Who is ranked where, and who is not."""

import numpy as np
import pandas as pd
import pytest

from reports.boards import boards
from reports.frames import read
from reports.matrix import matrix

CLEAN = {"clean_pairs": ("clean_pairs",)}["clean_pairs"]
FOUR = {"none": (), "finetune": CLEAN, "cleanclip": CLEAN, "sau": CLEAN}
STRONG = {"finetune": 6.0, "cleanclip": 1.0, "sau": 0.1}
EASY = {"images": 600, "harm": dict.fromkeys(STRONG, 0.0), "strong": STRONG, "defenses": FOUR}


def of(folder, knowledge="clean pairs"):
    return next(board for board in boards(read(folder)) if board.knowledge == knowledge)


def row(board, method):
    return board.rows.set_index("method").loc[method]


def test_boards_part_knowledge_and_go_from_nothing_to_everything(mixed):
    found = {board.knowledge: sorted(board.rows["method"]) for board in boards(read(mixed))}
    assert list(found.items()) == [
        ("nothing", ["none", "pruning"]),
        ("clean pairs", ["cleanclip", "finetune"]),
        ("clean pairs, inverted trigger", ["task_vector (decree)"]),
        ("target", ["target_unlearn"]),
        ("clean ancestor", ["wise_ft"]),
        ("trigger", ["task_vector"]),
        ("training pairs", ["abl"]),
    ]


def test_every_board_shows_the_victim_and_the_clean_model_unranked(mixed):
    for board in boards(read(mixed)):
        assert list(board.references["method"]) == ["none (the victim)", "clean model"]
        assert board.references["success"].iloc[0] > 0.9 > 0.1 > board.references["success"].iloc[1]
        assert not set(board.references["method"]) & set(board.rows["method"])


def test_models_and_data_sets_have_boards_of_their_own(build):
    found = boards(read(build(models=("a", "b"), attacks=("badnets",), seeds=(0,))))
    assert [(board.model, board.knowledge) for board in found] == [
        ("a", "nothing"),
        ("a", "clean pairs"),
        ("b", "nothing"),
        ("b", "clean pairs"),
    ]


def test_the_score_is_the_mean_over_attacks_of_means_over_seeds(build):
    folder = build(**EASY, weak=frozenset({("wanet", 0), ("wanet", 1)}))
    frames = read(folder)
    picks = frames.picks[(frames.picks["rule"] == "blind") & (frames.picks["budget"] == 2.0)]
    cells = frames.cells.join(picks.set_index("cell")["attack_success_rate"])
    cells = cells[(cells["victim"] == "poisoned") & (cells["defense"] == "cleanclip")]
    cells = cells[~((cells["attack"] == "wanet") & cells["seed"].isin([0, 1]))]
    by_attack = cells.groupby("attack")["attack_success_rate"].mean()
    found = row(of(folder), "cleanclip")
    assert found["success"] == pytest.approx(by_attack.mean())
    assert found["worst_success"] == pytest.approx(by_attack.max())
    assert found["worst_attack"] == by_attack.idxmax()


def test_stronger_defenses_lead(build):
    board = of(build(**EASY))
    assert list(board.rows["method"]) == ["finetune", "cleanclip", "sau"]
    assert list(board.rows["rank"]) == [1, 2, 3]
    assert board.pairs["p_value_holm"].max() < 0.05


@pytest.mark.parametrize("hole", ["missing", "failed", "skipped", "left out"])
def test_a_hole_unranks_and_is_never_averaged_away(build, hole):
    board = of(build(**EASY, holes={("sig", "finetune", 2): hole}))
    found = row(board, "finetune")
    assert np.isnan(found["rank"]) and np.isnan(found["success"])
    assert found["unranked"] == f"1 {hole} of 12 cells"
    assert list(board.rows["method"])[-1] == "finetune"
    assert list(board.rows["rank"].dropna()) == [1, 2]


def test_a_hole_on_a_weak_victim_does_not_unrank(build):
    board = of(build(**EASY, weak=frozenset({("sig", 2)}), holes={("sig", "finetune", 2): "failed"}))
    assert row(board, "finetune")["rank"] == 1
    assert row(board, "finetune")["cells"] == 11 and row(board, "finetune")["cells_weak"] == 1


def test_weak_victims_do_not_count(build):
    strong = of(build(**EASY))
    weak = of(build(**EASY, weak=frozenset({("wanet", seed) for seed in range(3)})))
    assert row(weak, "sau")["cells"] == 9 and row(strong, "sau")["cells"] == 12
    assert "wanet" not in set(weak.rows["worst_attack"])


def test_without_an_accepted_victim_nothing_is_ranked(build):
    board = of(build(**EASY, attacks=("sig",), weak=frozenset({("sig", seed) for seed in range(3)})))
    assert board.rows["rank"].isna().all()
    assert set(board.rows["unranked"]) == {"no victim was accepted"}


def test_deleting_the_target_class_unranks(build):
    kept = row(of(build(**EASY, recall_loss={"finetune": 0.09})), "finetune")
    lost = row(of(build(**EASY, recall_loss={"finetune": 0.12})), "finetune")
    assert kept["rank"] == 1
    assert np.isnan(lost["rank"]) and lost["unranked"] == "loses 12 points of target recall"
    assert lost["success"] == pytest.approx(kept["success"])


def test_a_duplicated_defense_ties_and_moves_nobody(build):
    alone = of(build(**EASY))
    twice = {**EASY, "defenses": {**FOUR, "finetune_again": CLEAN}, "copies": {"finetune_again": "finetune"}}
    twice["harm"] = {**EASY["harm"]}
    board = of(build(**twice))
    assert row(board, "finetune_again")["rank"] == row(board, "finetune")["rank"] == 1
    for method in FOUR:
        if method != "none":
            assert row(board, method)["rank"] == row(alone, method)["rank"]
    pairs = board.pairs.set_index(["first", "second"])["p_value_holm"]
    assert pairs["finetune", "finetune_again"] == 1.0
    before = alone.pairs.set_index(["first", "second"])["p_value_holm"]
    assert pairs["cleanclip", "sau"] == pytest.approx(before["cleanclip", "sau"])


def test_renaming_defenses_changes_no_rank(build):
    names = {"finetune": "zz", "cleanclip": "mm", "sau": "aa"}
    renamed = {
        "defenses": {names.get(name, name): needs for name, needs in FOUR.items()},
        "copies": {new: old for old, new in names.items()},
        "strong": STRONG,
        "harm": EASY["harm"],
        "images": 600,
    }
    before, after = of(build(**EASY)), of(build(**renamed))
    for old, new in names.items():
        columns = ["rank", "success", "success_low", "success_high", "rank_best", "rank_worst"]
        pd.testing.assert_series_equal(
            row(before, old)[columns].astype(float), row(after, new)[columns].astype(float), check_names=False
        )


def test_one_seed_cannot_part_methods_and_says_so(build):
    board = of(build(**EASY, seeds=(0,)))
    assert list(board.rows["rank"]) == [1, 1, 1]
    assert any("too few for any difference" in note for note in board.notes)
    assert set(board.rows["success_interval"]) == {"images"}
    assert any("nothing is known of the spread over seeds" in note for note in board.notes)


@pytest.mark.parametrize(("seeds", "kind"), [(3, "t"), (5, "bootstrap")])
def test_intervals_by_number_of_seeds(build, seeds, kind):
    board = of(build(**EASY, seeds=tuple(range(seeds))))
    found = row(board, "cleanclip")
    assert found["success_interval"] == kind and found["seeds"] == seeds
    assert found["success_low"] < found["success"] < found["success_high"]
    assert any(f"{seeds} seeds" in note for note in board.notes)


def test_harm_is_what_the_benign_victim_loses(build):
    folder = build(defenses=FOUR, images=600, points=1, harm={"sau": 0.015, "finetune": 0.0}, strong=STRONG)
    frames = read(folder)
    picks = frames.picks[(frames.picks["rule"] == "blind") & (frames.picks["budget"] == 2.0)].set_index("cell")
    victim = frames.points[frames.points["point"] == -1].set_index("cell")["clean_accuracy"]
    benign = frames.cells[(frames.cells["victim"] == "benign") & (frames.cells["defense"] == "sau")].index
    expected = (victim[benign] - picks.loc[benign, "clean_accuracy"]).mean()
    assert row(of(folder), "sau")["harm"] == pytest.approx(expected)
    assert row(of(build(**EASY, benign=False)), "sau")[["harm"]].isna().all()


def test_a_loss_above_the_budget_is_marked(build):
    found = row(of(build(**{**EASY, "budget": 0.001, "harm": dict.fromkeys(STRONG, 0.0)})), "finetune")
    assert found["overshoot"] == (found["test_loss"] > 0.00001)
    assert found["cells_overshooting"] <= found["cells_ok"]


def test_a_walk_that_stops_early_is_told_and_does_not_rank(build):
    """The first point is spoilt, later ones are within the budget."""
    board, plain = of(build(**EASY, spoilt=("cleanclip",))), of(build(**EASY))
    found = row(board, "cleanclip")
    assert found["stops_early"] == found["cells_ok"] == 12 and found["keeps_victim"] == 12
    assert found["last_success"] < 0.5 < 0.9 < found["success"]
    told = next(note for note in board.notes if note.startswith("The blind walk stops"))
    assert f"cleanclip (12 of 12 cells, {100 * found['last_success']:.1f} %)" in told
    assert row(plain, "cleanclip")["stops_early"] < 12


def test_the_oracle_never_ranks(build):
    board = of(build(**{**EASY, "harm": {"finetune": 0.1, "cleanclip": 0.0, "sau": 0.0}}))
    assert (board.rows["oracle_success"] <= board.rows["success"] + 0.05).all()
    assert list(board.rows.sort_values(["rank", "success"]).index) == list(board.rows.index)


def test_ranges_hold_the_ranks_without_each_attack(build):
    board = of(build(**EASY))
    assert (board.rows["rank_best"] <= board.rows["rank_worst"]).all()
    single = of(build(**EASY, attacks=("badnets",)))
    assert single.rows["rank_best"].isna().all()


def test_different_versions_of_a_plugin_are_told(build):
    same = of(build(**EASY))
    mixed = of(build(**EASY, versions={("sig", "finetune"): "2"}))
    assert not any("versions of" in note for note in same.notes)
    assert any("2 versions of the defense 'finetune'" in note for note in mixed.notes)


def test_none_is_ranked_among_those_who_know_nothing(mixed):
    board = of(mixed, "nothing")
    assert row(board, "none")["rank"] == 2 and row(board, "none")["test_loss"] == 0


def test_dev_and_held_out_attacks_have_means_of_their_own(build):
    held = of(build(**EASY, held_out=("sig", "wanet")))
    plain = of(build(**EASY))
    by_attack = matrix(read(build(**EASY))).set_index(["method", "attack"])["attack_success_rate"]
    for method in STRONG:
        found = row(held, method)
        assert found["dev_success"] == pytest.approx(by_attack[method][["badnets", "blended"]].mean())
        assert found["held_out_success"] == pytest.approx(by_attack[method][["sig", "wanet"]].mean())
        assert found["success"] == row(plain, method)["success"] and found["rank"] == row(plain, method)["rank"]
    assert held.references[["dev_success", "held_out_success"]].notna().all(axis=None)
    assert plain.rows[["dev_success", "held_out_success"]].isna().all(axis=None)
    assert any("tuned on (badnets, blended); held out" in note for note in held.notes)
    assert not any("held out" in note for note in plain.notes)


def test_a_side_with_a_hole_has_no_mean(build):
    board = of(build(**EASY, held_out=("sig",), holes={("sig", "finetune", 0): "failed"}))
    found = row(board, "finetune")
    assert np.isnan(found["held_out_success"]) and found["dev_success"] >= 0
    weak = of(build(**EASY, held_out=("sig",), weak=frozenset({("sig", seed) for seed in range(3)})))
    assert weak.rows["held_out_success"].isna().all() and weak.rows["dev_success"].notna().all()
    assert any("those that only score (no accepted victim)" in note for note in weak.notes)


def test_ranks_range_over_the_data_sets_of_a_model(build):
    found = boards(read(build(**EASY, datasets=("shapes", "digits"))))
    clean = [board for board in found if board.knowledge == "clean pairs"]
    assert [board.dataset for board in clean] == ["digits", "shapes"]
    ranks = pd.concat([board.rows.set_index("method")["rank"] for board in clean], axis=1)
    for board in clean:
        for method in STRONG:
            found = row(board, method)
            assert found["dataset_rank_best"] == ranks.loc[method].min()
            assert found["dataset_rank_worst"] == ranks.loc[method].max()
        assert any(note.startswith("Ranks over the data sets of tiny-resnet: finetune 1") for note in board.notes)
    single = of(build(**EASY))
    assert single.rows["dataset_rank_best"].isna().all()
    assert not any("data sets" in note for note in single.notes)


def test_rebound_is_the_mean_where_it_was_measured(build):
    board = of(build(**EASY, rebound={"finetune": 0.25, "cleanclip": 0.5}))
    assert row(board, "finetune")["rebound"] == pytest.approx(0.25)
    assert row(board, "cleanclip")["rebound"] == pytest.approx(0.5)
    assert np.isnan(row(board, "sau")["rebound"])
