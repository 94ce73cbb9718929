"""The parts that nets are built from, against torch's own where torch has them."""

import pytest
import torch
from torch import nn

from tasks.learning.model import settled
from tasks.models.nets.chart_cnn import ChartCnn
from tasks.models.nets.layers import Dropout, Memory, Taps, market, shut_out
from tasks.models.nets.mixer import _TimeMixing
from tasks.models.nets.mlp import Mlp
from tasks.models.nets.transformer import Transformer


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4), (2, 5)])
def test_taps_are_a_convolution_over_sessions(kernel, dilation):
    taps = Taps(5, 6, kernel=kernel, dilation=dilation)
    oracle = nn.Conv1d(5, 6, kernel, dilation=dilation)
    with torch.no_grad():
        oracle.weight.copy_(taps.mix.weight.unflatten(1, (kernel, 5)).transpose(1, 2))
        oracle.bias.copy_(taps.mix.bias)
    state_TNC = torch.randn(20, 3, 5)
    wanted = oracle(state_TNC.permute(1, 2, 0)).permute(2, 0, 1)
    assert torch.allclose(taps(state_TNC), wanted, atol=1e-5)


def test_a_memory_is_an_lstm():
    memory, oracle = Memory(5, 4), nn.LSTM(5, 4)
    in_their_order = torch.arange(16).view(4, 4)[[1, 2, 0, 3]].flatten()  # take, keep, news, show
    with torch.no_grad():
        oracle.weight_ih_l0.copy_(memory.inlet.weight[in_their_order])
        oracle.weight_hh_l0.copy_(memory.recall.weight[in_their_order])
        oracle.bias_ih_l0.copy_(memory.inlet.bias[in_their_order])
        oracle.bias_hh_l0.zero_()
    state_TNC = torch.randn(7, 3, 5)
    hidden_KNC = cell_KNC = torch.zeros(1, 3, 4)
    for gates in memory.gates(state_TNC):
        said = gates.unsqueeze(0) + memory.recall(hidden_KNC)
        hidden_KNC, cell_KNC = memory(said, cell_KNC)
    assert torch.allclose(hidden_KNC, oracle(state_TNC)[0][-1:], atol=1e-6)


def test_the_market_is_the_mean_of_those_who_are_there_and_zero_where_nobody_is():
    state_KNC = torch.tensor([[[1.0], [3.0], [torch.nan]], [[1.0], [3.0], [5.0]]])
    member_NK = torch.tensor([[True, False], [True, False], [False, False]])
    assert market(state_KNC, member_NK).flatten().tolist() == [2.0, 0.0]
    share_KN = shut_out(member_NK, state_KNC).softmax(dim=1)
    assert share_KN[0].tolist() == [0.5, 0.5, 0.0]
    assert torch.isfinite(share_KN).all()


def test_a_channel_is_left_out_for_a_name_in_all_sessions_of_a_stretch_or_in_none():
    torch.manual_seed(1)
    dropout, ones_KNC = Dropout(0.5), torch.ones(3, 40, 50)
    left_KNC = dropout(ones_KNC)
    assert set(left_KNC.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(left_KNC, left_KNC[:1].expand(3, -1, -1))
    assert 0.45 < (left_KNC == 0).float().mean() < 0.55
    assert left_KNC[0].std(dim=0).min() > 0, "names differ"
    assert torch.equal(dropout.eval()(ones_KNC), ones_KNC)


def chart_cnn(**given: float) -> ChartCnn:
    return ChartCnn.build(1, settled(given, ChartCnn.known, model="chart_cnn"))


def test_a_chart_is_inked_up_to_its_height_between_its_lowest_and_highest_value():
    net = chart_cnn(look_back=7, rows=9, lines=1, bars=1)
    line = torch.tensor([9.0, 1, 1, 1, 1.5, -4.5, 4.5])  # 9, 10, 11, 12, 13.5, 9, 13.5
    bar = torch.tensor([0.0, 1, 2, 3, 4, 5, 9])
    picture = net.pictures(torch.stack([line, bar], dim=-1)[None, None])[0, 0]
    assert picture.shape == (9, 7, 2)
    assert torch.allclose(picture[..., 0].sum(dim=0), torch.tensor([0.0, 2, 4, 6, 9, 0, 9]))
    assert torch.allclose(picture[..., 1].sum(dim=0), torch.tensor([0.0, 1, 2, 3, 4, 5, 9]))
    assert (picture[:-1] >= picture[1:]).all(), "ink stands on ink"


def test_the_size_of_moves_does_not_change_a_chart_and_one_without_any_is_blank():
    net = chart_cnn()
    moves = torch.randn(2, 5, 20, 3)
    assert torch.allclose(net.pictures(moves), net.pictures(7 * moves), atol=1e-3)
    assert not net.pictures(torch.zeros(2, 5, 20, 3)).any()


@pytest.mark.parametrize("look_back", [7, 20, 60])
@pytest.mark.parametrize("rows", [9, 16, 64])
def test_pictures_of_every_allowed_size_have_a_score(look_back, rows):
    net = chart_cnn(look_back=look_back, rows=rows)
    assert net(torch.rand(3, look_back, 1), torch.ones(3, 1, dtype=torch.bool)).shape == (3, 1)


def test_no_session_of_a_time_mixing_sees_a_later_one():
    mixing, state_LR = _TimeMixing(6), torch.randn(6, 4)
    before = mixing(state_LR)
    for session in range(6):
        moved = state_LR.clone()
        moved[session] += 1.0
        apart = (mixing(moved) - before).abs().amax(dim=1)
        assert not apart[:session].any()
        assert apart[session] > 0


def test_the_perceptrons_of_a_crowd_differ_from_the_start_and_are_scored_by_their_mean():
    net = Mlp.build(4, settled({"members": 3}, Mlp.known, model="mlp")).eval()
    features, member = torch.rand(5, 1, 4), torch.ones(5, 1, dtype=torch.bool)
    alone = [
        net._score(features[:, 0], one, net.heads.weight[one], net.heads.bias[one])
        for one in range(3)
    ]
    assert torch.allclose(net(features, member)[:, 0], torch.stack(alone).mean(dim=0), atol=1e-6)
    assert not torch.allclose(alone[0], alone[1], atol=1e-4)


def test_a_width_that_its_heads_do_not_divide_is_refused():
    settings = settled({"width": 10, "heads": 4}, Transformer.known, model="transformer")
    with pytest.raises(ValueError, match="multiple of heads"):
        Transformer.build(3, settings)
