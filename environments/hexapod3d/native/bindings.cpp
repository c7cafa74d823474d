// The Python face of the hexapod's core, through nanobind. The interpreter's lock is free while robots walk.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "mind.hpp"
#include "task.hpp"
#include "world.hpp"

namespace nb = nanobind;
using namespace hexapod;

namespace {

template <class T>
using Row = nb::ndarray<const T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class T, int Columns>
using Table = nb::ndarray<const T, nb::shape<-1, Columns>, nb::c_contig, nb::device::cpu>;
using Heights = nb::ndarray<const double, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T> give(std::initializer_list<std::size_t> shape, T* data) {
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::ndarray<nb::numpy, T>(data, shape.size(), shape.begin(), owner);
}

// Takes every number by its name, so that one that is missing or superfluous is an error.
class Reader {
    nb::dict from_;
    std::size_t taken_ = 0;

   public:
    explicit Reader(nb::dict from) : from_(std::move(from)) {}

    template <class T>
    void operator()(const char* name, T& to) {
        to = nb::cast<T>(from_[name]);
        ++taken_;
    }
    template <std::size_t N>
    void operator()(const char* name, std::array<double, N>& to) {
        const auto all = nb::cast<std::vector<double>>(from_[name]);
        if (all.size() != N) throw std::invalid_argument(std::string(name) + " has another length than in the core");
        std::copy(all.begin(), all.end(), to.begin());
        ++taken_;
    }
    void finish() const {
        if (taken_ != from_.size()) throw std::invalid_argument("there are constants that the core does not know");
    }
};

Constants constants_from(nb::dict given) {
    Constants k;
    Reader read(std::move(given));
#define READ(name) read(#name, k.name)
    READ(urdf); READ(time_step); READ(gravity); READ(friction); READ(margin); READ(contact_erp); READ(aloft);
    READ(substeps); READ(iterations); READ(stiffness); READ(damping); READ(lead); READ(torque);
    READ(rows); READ(columns); READ(cell); READ(ground_start); READ(ground_end); READ(half_width);
    READ(height); READ(speed); READ(segments); READ(hip_x); READ(hip_y); READ(yaw); READ(side); READ(beat);
    READ(low); READ(high); READ(stance); READ(sine);
    READ(clock); READ(stroke); READ(stroke_range); READ(shift_range); READ(lift); READ(tuck); READ(hold_range);
    READ(start_height); READ(scan); READ(underside); READ(most_motion); READ(scan_range); READ(speed_range);
    READ(spin_range); READ(most); READ(side_limit); READ(back_limit); READ(finish); READ(metre_reward);
    READ(most_headway); READ(effort_cost); READ(fall_reward); READ(upright); READ(headway); READ(deepest);
    READ(patience);
#undef READ
    read.finish();
    return k;
}

class Robot {
    Bullet bullet_;
    Constants k_;
    World world_;
    std::vector<double> heights_;  // rows along x
    std::vector<float> field_;     // rows along y, as Bullet has them
    double low_ = 0, high_ = 0;

    // How an episode starts: y, and z and w of the quaternion.
    void begin(const double* start, State& state) {
        world_.place({0.0, start[0], k_.start_height}, {0.0, 0.0, start[1], start[2]}, k_.stance);
        world_.read(state);
    }

    void renew() {
        world_.connect();
        world_.lay(field_, low_, high_);
    }

   public:
    Robot(const std::string& library, nb::dict constants)
        : bullet_(library), k_(constants_from(std::move(constants))), world_(bullet_, k_) {}

    void lay(Heights heights) {
        const auto rows = static_cast<std::size_t>(k_.rows), columns = static_cast<std::size_t>(k_.columns);
        if (heights.shape(0) != rows || heights.shape(1) != columns)
            throw std::invalid_argument("heights are of another shape than the core's course");
        heights_.assign(heights.data(), heights.data() + rows * columns);
        field_.resize(heights_.size());
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < columns; ++j)
                field_[j * rows + i] = static_cast<float>(heights_[i * columns + j]);
        const auto [low, high] = std::minmax_element(heights_.begin(), heights_.end());
        low_ = *low;
        high_ = *high;
        world_.lay(field_, low_, high_);
    }

    nb::tuple rollout(Table<float, kParameters> thetas, Table<double, 3> starts, long limit, bool tripod) {
        const std::size_t n = thetas.shape(0);
        if (starts.shape(0) != n) throw std::invalid_argument("thetas and starts differ in length");
        if (heights_.empty()) throw std::invalid_argument("lay a course first");
        auto* returns = new double[n];
        auto* lengths = new std::int32_t[n];
        auto* outcomes = new std::int8_t[n];
        nb::tuple found = nb::make_tuple(give({n}, returns), give({n}, lengths), give({n}, outcomes));
        nb::gil_scoped_release free;
        Task task(k_, heights_.data(), tripod, limit);
        for (std::size_t row = 0; row < n; ++row) {
            const Outcome outcome = play(task, thetas.data() + row * kParameters, starts.data() + 3 * row);
            returns[row] = task.earned;
            lengths[row] = static_cast<std::int32_t>(task.steps);
            outcomes[row] = static_cast<std::int8_t>(outcome);
        }
        return found;
    }

    // Follows joint targets from a start on, whatever comes of it; gives the states (n, kStateSize).
    nb::ndarray<nb::numpy, double> follow(Row<double> start, Table<double, kJoints> targets) {
        if (start.shape(0) != 3) throw std::invalid_argument("a start is three numbers");
        if (heights_.empty()) throw std::invalid_argument("lay a course first");
        const std::size_t n = targets.shape(0);
        auto* states = new double[n * kStateSize];
        auto found = give({n, static_cast<std::size_t>(kStateSize)}, states);
        nb::gil_scoped_release free;
        State state;
        begin(start.data(), state);
        for (std::size_t row = 0; row < n; ++row) {
            Joints wanted;
            std::copy_n(targets.data() + row * kJoints, kJoints, wanted.begin());
            world_.advance(wanted);
            world_.read(state);
            std::copy(state.begin(), state.end(), states + row * kStateSize);
        }
        return found;
    }

    double stepping() const { return std::chrono::duration<double>(world_.stepping).count(); }

   private:
    Outcome play(Task& task, const float* theta, const double* start) {
        State state;
        begin(start, state);
        task.start(state[kPosition]);
        float seen[kObservations], action[kJoints];
        for (;;) {
            task.observe(state, seen);
            think(theta, seen, action);
            if (std::all_of(action, action + kJoints, [](float each) { return std::isfinite(each); })) {
                world_.advance(task.targets(action));
                world_.read(state);
            } else {
                state.fill(std::numeric_limits<double>::quiet_NaN());
            }
            const Outcome outcome = task.judge(state);
            if (outcome == kDiverged) renew();
            if (outcome != kNone) return outcome;
        }
    }
};

}  // namespace

NB_MODULE(_core, module) {
    nb::class_<Robot>(module, "Robot")
        .def(nb::init<const std::string&, nb::dict>(), nb::arg("library"), nb::arg("constants"))
        .def("lay", &Robot::lay, nb::arg("heights"))
        .def("rollout", &Robot::rollout, nb::arg("thetas"), nb::arg("starts"), nb::arg("episode_limit"),
             nb::arg("tripod"))
        .def("follow", &Robot::follow, nb::arg("start"), nb::arg("targets"))
        .def_prop_ro("stepping", &Robot::stepping);
    module.attr("VERSION") = kVersion;
    module.attr("STATE_SIZE") = static_cast<int>(kStateSize);
}
