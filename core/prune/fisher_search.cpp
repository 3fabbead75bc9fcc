#include "core/prune/fisher_search.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace espalier {
namespace {

struct Place {
  int64_t layer, unit;
  double importance;
};

bool matters_more(const Place& a, const Place& b) { return a.importance > b.importance; }

int64_t units_of_layer(const UnitMarket& market, int64_t layer) {
  return static_cast<int64_t>(market.prices[layer].size()) - 1;
}

// All units of the layers that are not dropped, the most important first.
std::vector<Place> places_of(const UnitMarket& market, const std::vector<bool>& dropped) {
  std::vector<Place> out;
  const auto importance = market.importance.accessor<double, 2>();
  for (int64_t layer = 0; layer < importance.size(0); ++layer) {
    if (dropped[layer]) continue;
    for (int64_t unit = 0; unit < units_of_layer(market, layer); ++unit)
      out.push_back({layer, unit, importance[layer][unit]});
  }
  std::stable_sort(out.begin(), out.end(), matters_more);
  return out;
}

// What the next unit of a layer adds to the price.
double next_price(const UnitMarket& market, int64_t layer, int64_t kept) {
  const PriceList& prices = market.prices[layer];
  return prices[kept + 1] - prices[kept];
}

// Units in the order in which they are kept, and the sums over the first n of them, [units + 1].
struct Ranking {
  std::vector<Place> places;
  std::vector<double> price = {0}, importance = {0};

  Ranking(const UnitMarket& market, const std::vector<bool>& dropped)
      : places(places_of(market, dropped)) {
    std::vector<int64_t> kept(market.prices.size(), 0);
    for (const Place& place : places) {
      price.push_back(price.back() + next_price(market, place.layer, kept[place.layer]++));
      importance.push_back(importance.back() + place.importance);
    }
  }
  // The largest number of units for at most this much; -1: none at all is more.
  int64_t most(double budget) const {
    return std::upper_bound(price.begin(), price.end(), budget) - price.begin() - 1;
  }
};

// Without any drop, then without the layer that matters least, and so on.
std::vector<Ranking> rankings(const UnitMarket& market, bool drops) {
  const auto layers = static_cast<int64_t>(market.prices.size());
  std::vector<bool> dropped(layers, false);
  std::vector<Ranking> out = {Ranking(market, dropped)};
  if (!drops) return out;
  std::vector<Place> whole;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t units = units_of_layer(market, layer);
    if (units == 0) continue;
    whole.push_back({layer, 0, market.importance[layer].narrow(0, 0, units).sum().item<double>()});
  }
  std::stable_sort(whole.begin(), whole.end(), matters_more);
  while (!whole.empty()) {
    dropped[whole.back().layer] = true;
    whole.pop_back();
    out.emplace_back(market, dropped);
  }
  return out;
}

struct Split {
  const Ranking *heads, *neurons;
  int64_t head_count = 0, neuron_count = 0;
};

Split best_split(const std::vector<Ranking>& heads, const std::vector<Ranking>& neurons,
                 double budget) {
  Split best = {&heads.front(), &neurons.front()};
  double most = 0;
  for (const Ranking& head : heads) {
    for (const Ranking& neuron : neurons) {
      for (size_t m = 0; m < head.price.size(); ++m) {
        const int64_t n = neuron.most(budget - head.price[m]);
        if (n < 0) break;
        const double importance = head.importance[m] + neuron.importance[n];
        if (importance <= most) continue;
        most = importance;
        best = {&head, &neuron, static_cast<int64_t>(m), n};
      }
    }
  }
  return best;
}

// A mask in the making, and how many units of each layer it keeps.
struct Basket {
  const UnitMarket& market;
  Tensor mask;
  std::vector<int64_t> kept;

  Basket(const UnitMarket& market, const Ranking& ranking, int64_t count)
      : market(market),
        mask(at::zeros(market.importance.sizes(), at::kFloat)),
        kept(market.prices.size(), 0) {
    for (int64_t i = 0; i < count; ++i) take(ranking.places[i]);
  }
  void take(const Place& place) {
    mask.accessor<float, 2>()[place.layer][place.unit] = 1;
    ++kept[place.layer];
  }
  bool has(const Place& place) const {
    return mask.accessor<float, 2>()[place.layer][place.unit] != 0;
  }
  double price(int64_t layer) const { return next_price(market, layer, kept[layer]); }
};

// Takes whatever else there is money for.
void fill_up(Basket& heads, Basket& neurons, double budget) {
  struct Offer {
    Basket* basket;
    Place place;
  };
  std::vector<Offer> offers;
  for (Basket* basket : {&heads, &neurons}) {
    const std::vector<bool> none(basket->kept.size(), false);
    for (const Place& place : places_of(basket->market, none))
      if (!basket->has(place)) offers.push_back({basket, place});
    for (size_t layer = 0; layer < basket->kept.size(); ++layer)
      budget -= basket->market.prices[layer][basket->kept[layer]];
  }
  std::stable_sort(offers.begin(), offers.end(),
                   [](const Offer& a, const Offer& b) { return matters_more(a.place, b.place); });
  for (const Offer& offer : offers) {
    const double price = offer.basket->price(offer.place.layer);
    if (price > budget) continue;
    budget -= price;
    offer.basket->take(offer.place);
  }
}

PriceList price_list(int64_t units, const std::function<Tensor(const Tensor&)>& cost) {
  PriceList out = {0};
  for (int64_t i = 1; i <= units; ++i) {
    const Tensor count = at::full({}, static_cast<double>(i), at::kDouble);
    out.push_back(std::max(out.back(), cost(count).item<double>()));
  }
  return out;
}

}  // namespace

Tensor diagonal_fisher(const Tensor& gradients) {
  return gradients.to(at::kCPU, at::kDouble).square().sum(0);
}

std::vector<PriceList> head_prices(const ModelConfig& config, const CostFunction& function) {
  const Tensor hidden = at::full({}, static_cast<double>(config.hidden), at::kDouble);
  std::vector<PriceList> out;
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    out.push_back(price_list(config.head_count(i), [&](const Tensor& heads) {
      return function.attention(i, heads, hidden);
    }));
  }
  return out;
}

std::vector<PriceList> neuron_prices(const ModelConfig& config, const CostFunction& function) {
  const Tensor hidden = at::full({}, static_cast<double>(config.hidden), at::kDouble);
  std::vector<PriceList> out;
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    out.push_back(price_list(config.layers[i].neurons, [&](const Tensor& neurons) {
      return function.ffn(i, neurons, hidden);
    }));
  }
  return out;
}

UnitMasks search_units(const UnitMarket& heads, const UnitMarket& neurons, double budget,
                       bool drops) {
  const std::vector<Ranking> of_heads = rankings(heads, drops),
                             of_neurons = rankings(neurons, drops);
  const Split best = best_split(of_heads, of_neurons, budget);
  Basket head(heads, *best.heads, best.head_count);
  Basket neuron(neurons, *best.neurons, best.neuron_count);
  fill_up(head, neuron, budget);
  return {head.mask, neuron.mask};
}

Tensor rearranged(const Tensor& mask, const Tensor& gradients) {
  torch::NoGradGuard no_grad;
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const Tensor g = gradients.to(at::kCPU, at::kDouble).t().contiguous();  // [U,n]
  const Tensor size = g.square().sum(1);
  Tensor closed = mask.to(at::kCPU).eq(0);
  Tensor sum = g.index_select(0, closed.nonzero().squeeze(1)).sum(0);  // of the closed ones
  const Tensor open = closed.logical_not().nonzero().squeeze(1);
  const Tensor order = std::get<1>(at::sort(size.index_select(0, open), /*stable=*/true, 0, false));
  const Tensor asked = open.index_select(0, order);
  for (int64_t i = 0; i < asked.size(0); ++i) {
    const auto own = asked[i].item<int64_t>();
    closed[own] = true;
    const Tensor with = sum + g[own];
    // |with - g_u|^2 - |with|^2: how the norm changes when u opens again.
    const Tensor change = (size - 2 * at::mv(g, with)).masked_fill(closed.logical_not(), kNever);
    auto opens = change.argmin().item<int64_t>();
    if (change[opens].item<double>() >= change[own].item<double>()) opens = own;
    closed[opens] = false;
    sum = with - g[opens];
  }
  return closed.logical_not().to(mask.options());
}

}  // namespace espalier
