// The Python face of the hexapod's cores, through nanobind. The interpreter's lock is free while robots walk.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "lanes/engine.hpp"
#include "lanes/film.hpp"
#include "lanes/worlds.hpp"
#include "mind.hpp"
#include "task.hpp"
#include "world.hpp"

namespace nb = nanobind;
using namespace hexapod;

namespace {

template <class T>
using Row = nb::ndarray<const T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Told = nb::ndarray<T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Seen = nb::ndarray<float, nb::shape<-1, kObservations>, nb::c_contig, nb::device::cpu>;
template <class T, int Columns>
using Table = nb::ndarray<const T, nb::shape<-1, Columns>, nb::c_contig, nb::device::cpu>;
using Targets = nb::ndarray<const double, nb::shape<-1, -1, kJoints>, nb::c_contig, nb::device::cpu>;
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

template <class T>
void scatter(const std::vector<T>& from, T* to, std::size_t size, const char* name) {
    if (from.size() != size) throw std::invalid_argument(std::string(name) + " has another length than in the core");
    std::copy(from.begin(), from.end(), to);
}

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
    READ(under); READ(patience);
#undef READ
    read.finish();
    return k;
}

Hidden hidden_from(nb::dict given) {
    Hidden hidden;
    if (given.size() == 0) return hidden;
    Reader read(std::move(given));
    read("gains", hidden.gains);
    read("friction_rate", hidden.friction_rate);
    read("load", hidden.load);
    read("delay", hidden.delay);
    read.finish();
    if (hidden.delay < 0 || hidden.delay > kMostDelay) throw std::invalid_argument("there is no such delay");
    return hidden;
}

Model model_from(const Constants& k, nb::dict given) {
    Model m{};
    std::size_t taken = 0;
    const auto read = [&](const char* name, double* to, std::size_t size) {
        scatter(nb::cast<std::vector<double>>(given[name]), to, size, name);
        ++taken;
    };
#define READ(name, size) read(#name, reinterpret_cast<double*>(&m.name), size)
    READ(mass, 1); READ(inertia, 3); READ(link_mass, kJoints); READ(link_inertia, 3 * kJoints); READ(sign, kJoints);
    READ(middle, kJoints); READ(hip_x, kLegs); READ(hip_y, kLegs); READ(hip_turn_z, kLegs); READ(hip_turn_w, kLegs);
    READ(reach, kJoints); READ(low, kJoints); READ(high, kJoints); READ(foot_radius, 1); READ(foot_along, 1);
    READ(breaking, 1); READ(friction, 1);
#undef READ
    if (taken != given.size()) throw std::invalid_argument("there are numbers of the robot that the core does not know");
    m.gravity = k.gravity;
    m.time_step = k.time_step;
    m.contact_erp = k.contact_erp;
    m.iterations = k.iterations;
    m.substeps = k.substeps;
    m.stiffness = k.stiffness;
    m.damping = k.damping;
    m.lead = k.lead;
    m.torque = k.torque;
    return m;
}

nb::dict stages_of(const Ticks& spent) {
    nb::dict stages;
#define STAGE(name) stages[#name] = spent.name
    STAGE(contacts); STAGE(forward); STAGE(solver); STAGE(integration); STAGE(minds); STAGE(tasks);
#undef STAGE
    return stages;
}

// Robots in SIMD lanes; it holds numbers alone, so that any threads may use it at once.
class Lanes {
    Constants k_;
    Model model_;

    static const Field& checked(const std::shared_ptr<const Field>& field) {
        if (!field) throw std::invalid_argument("a course is None");
        return *field;
    }

   public:
    Lanes(nb::dict constants, nb::dict robot)
        : k_(constants_from(std::move(constants))), model_(model_from(k_, std::move(robot))) {}

    std::shared_ptr<const Field> course(Heights heights, nb::dict hidden) const {
        if (heights.shape(0) != static_cast<std::size_t>(k_.rows) ||
            heights.shape(1) != static_cast<std::size_t>(k_.columns))
            throw std::invalid_argument("heights are of another shape than the core's course");
        return std::make_shared<const Field>(k_, heights.data(), hidden_from(std::move(hidden)));
    }

    nb::tuple rollout(const std::vector<std::shared_ptr<const Field>>& courses, Row<std::int32_t> places,
                      Table<float, kParameters> thetas, Table<double, 3> starts, long limit, bool tripod,
                      const std::string& kernel, int threads) const {
        const std::size_t n = thetas.shape(0);
        if (starts.shape(0) != n || places.shape(0) != n)
            throw std::invalid_argument("places, thetas and starts differ in length");
        std::vector<const Field*> fields;
        for (const auto& each : courses) fields.push_back(&checked(each));
        for (std::size_t row = 0; row < n; ++row)
            if (places.data()[row] < 0 || static_cast<std::size_t>(places.data()[row]) >= fields.size())
                throw std::invalid_argument("an episode is on a course that is not there");
        const Kernel& chosen = find_kernel(kernel);
        auto* returns = new double[n];
        auto* lengths = new std::int32_t[n];
        auto* outcomes = new std::int8_t[n];
        nb::tuple found = nb::make_tuple(give({n}, returns), give({n}, lengths), give({n}, outcomes));
        const Episodes episodes{fields, places.data(), thetas.data(), starts.data(), n, limit, tripod,
                                returns, lengths,       outcomes};
        Ticks spent;
        {
            nb::gil_scoped_release free;
            spent = hexapod::rollout(chosen, k_, model_, episodes, threads);
        }
        return nb::make_tuple(found[0], found[1], found[2], stages_of(spent));
    }

    std::unique_ptr<Film> film(const std::shared_ptr<const Field>& course, Table<float, kParameters> thetas,
                               Table<double, 3> starts, long limit, bool tripod, const std::string& kernel) const {
        checked(course);
        if (starts.shape(0) != thetas.shape(0)) throw std::invalid_argument("thetas and starts differ in length");
        return std::make_unique<Film>(find_kernel(kernel), k_, model_, course, thetas.data(), starts.data(),
                                      thetas.shape(0), limit, tripod);
    }

    // Follows joint targets (n, steps, kJoints) from starts (n, 3) on; gives the states (n, steps, kStateSize) and the
    // stages' ticks. Without `watched` nobody reads the states, and there are none.
    nb::tuple follow(const std::shared_ptr<const Field>& course, Table<double, 3> starts, Targets targets,
                     const std::string& kernel, bool watched) const {
        const std::size_t n = targets.shape(0), steps = targets.shape(1);
        if (starts.shape(0) != n) throw std::invalid_argument("starts and targets differ in length");
        const Kernel& chosen = find_kernel(kernel);
        const std::size_t kept = watched ? steps : 0;
        auto* states = new double[n * kept * kStateSize];
        auto found = give({n, kept, static_cast<std::size_t>(kStateSize)}, states);
        const Walks walks{&checked(course), starts.data(), targets.data(), n, steps, watched ? states : nullptr};
        Ticks spent;
        {
            nb::gil_scoped_release free;
            spent = hexapod::follow(chosen, k_, model_, walks);
        }
        return nb::make_tuple(found, stages_of(spent));
    }

    std::unique_ptr<Worlds> worlds(std::size_t count, bool tripod, const std::string& kernel, int threads) const {
        return std::make_unique<Worlds>(find_kernel(kernel), k_, model_, tripod, count, threads);
    }
};

void reset(Worlds& worlds, Row<bool> chosen, Table<double, 3> starts, Seen observations) {
    const std::size_t n = worlds.count();
    if (chosen.shape(0) != n || starts.shape(0) != n || observations.shape(0) != n)
        throw std::invalid_argument("an array does not have a row for each world");
    nb::gil_scoped_release free;
    worlds.reset(chosen.data(), starts.data(), observations.data());
}

void step(Worlds& worlds, Table<float, kJoints> actions, Row<bool> resets, Table<double, 3> starts, Seen observations,
          Told<double> rewards, Told<std::int8_t> outcomes) {
    const std::size_t n = worlds.count();
    if (actions.shape(0) != n || resets.shape(0) != n || starts.shape(0) != n || observations.shape(0) != n ||
        rewards.shape(0) != n || outcomes.shape(0) != n)
        throw std::invalid_argument("an array does not have a row for each world");
    nb::gil_scoped_release free;
    worlds.step(actions.data(), resets.data(), starts.data(), observations.data(), rewards.data(), outcomes.data());
}

nb::ndarray<nb::numpy, double> seen(const Worlds& worlds, std::size_t world) {
    auto* state = new double[kStateSize];
    auto found = give({static_cast<std::size_t>(kStateSize)}, state);
    std::copy(worlds.seen(world).begin(), worlds.seen(world).end(), state);
    return found;
}

nb::bytes get_state(const Worlds& worlds, std::size_t world) {
    const WorldState state = worlds.state(world);
    return nb::bytes(reinterpret_cast<const char*>(&state), sizeof state);
}

void set_state(Worlds& worlds, std::size_t world, const nb::bytes& bytes) {
    WorldState state;
    if (bytes.size() != sizeof state) throw std::invalid_argument("the state has the wrong size");
    std::memcpy(static_cast<void*>(&state), bytes.c_str(), sizeof state);
    const bool fits = std::all_of(state.lane.contacts, state.lane.contacts + kLegs,
                                  [](const Contacts& each) { return 0 <= each.count && each.count <= kMaxPoints; });
    if (!fits || state.progress.steps < 0) throw std::invalid_argument("the state is none of a world");
    worlds.restore(world, state);
}

// Goes on by so many control steps; gives the states (n, kStateSize), returns, lengths and outcomes (n,) then.
nb::tuple advance(Film& film, int steps) {
    const std::size_t n = film.size();
    auto* states = new double[n * kStateSize];
    auto* returns = new double[n];
    auto* lengths = new std::int32_t[n];
    auto* outcomes = new std::int8_t[n];
    nb::tuple found = nb::make_tuple(give({n, static_cast<std::size_t>(kStateSize)}, states), give({n}, returns),
                                     give({n}, lengths), give({n}, outcomes));
    nb::gil_scoped_release free;
    film.advance(steps);
    for (std::size_t row = 0; row < n; ++row) {
        std::copy(film.state(row).begin(), film.state(row).end(), states + row * kStateSize);
        returns[row] = film.earned(row);
        lengths[row] = static_cast<std::int32_t>(film.length(row));
        outcomes[row] = static_cast<std::int8_t>(film.outcome(row));
    }
    return found;
}

// One robot in Bullet itself.
class Robot {
    Bullet bullet_;
    Constants k_;
    World world_;
    std::vector<double> heights_;  // rows along x
    std::vector<float> field_;     // rows along y, as Bullet has them
    double low_ = 0, high_ = 0;
    Hidden hidden_;

    // How an episode starts: y, and z and w of the quaternion.
    void begin(const double* start, State& state) {
        world_.place({0.0, start[0], k_.start_height}, {0.0, 0.0, start[1], start[2]}, k_.stance);
        world_.read(state);
    }

    void renew() {
        world_.connect();
        world_.lay(field_, low_, high_, hidden_);
    }

   public:
    Robot(const std::string& library, nb::dict constants)
        : bullet_(library), k_(constants_from(std::move(constants))), world_(bullet_, k_) {}

    void lay(Heights heights, nb::dict hidden) {
        const auto rows = static_cast<std::size_t>(k_.rows), columns = static_cast<std::size_t>(k_.columns);
        if (heights.shape(0) != rows || heights.shape(1) != columns)
            throw std::invalid_argument("heights are of another shape than the core's course");
        hidden_ = hidden_from(std::move(hidden));
        heights_.assign(heights.data(), heights.data() + rows * columns);
        field_.resize(heights_.size());
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < columns; ++j)
                field_[j * rows + i] = static_cast<float>(heights_[i * columns + j]);
        const auto [low, high] = std::minmax_element(heights_.begin(), heights_.end());
        low_ = *low;
        high_ = *high;
        world_.lay(field_, low_, high_, hidden_);
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
        Task task(k_, heights_.data(), hidden_, tripod, limit);
        for (std::size_t row = 0; row < n; ++row) {
            const Outcome outcome = play(task, thetas.data() + row * kParameters, starts.data() + 3 * row);
            returns[row] = task.so_far.earned;
            lengths[row] = static_cast<std::int32_t>(task.so_far.steps);
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

NB_MODULE(HEXAPOD_MODULE, module) {
    nb::class_<Robot>(module, "Robot")
        .def(nb::init<const std::string&, nb::dict>(), nb::arg("library"), nb::arg("constants"))
        .def("lay", &Robot::lay, nb::arg("heights"), nb::arg("hidden") = nb::dict())
        .def("rollout", &Robot::rollout, nb::arg("thetas"), nb::arg("starts"), nb::arg("episode_limit"),
             nb::arg("tripod"))
        .def("follow", &Robot::follow, nb::arg("start"), nb::arg("targets"))
        .def_prop_ro("stepping", &Robot::stepping);
    nb::class_<Field>(module, "Course");
    nb::class_<Film>(module, "Film").def("advance", &advance, nb::arg("steps"));
    nb::class_<Lanes>(module, "Lanes")
        .def(nb::init<nb::dict, nb::dict>(), nb::arg("constants"), nb::arg("robot"))
        .def("course", &Lanes::course, nb::arg("heights"), nb::arg("hidden") = nb::dict())
        .def("rollout", &Lanes::rollout, nb::arg("courses"), nb::arg("places"), nb::arg("thetas"), nb::arg("starts"),
             nb::arg("episode_limit"), nb::arg("tripod"), nb::arg("kernel") = "", nb::arg("threads") = 1)
        .def("film", &Lanes::film, nb::arg("course"), nb::arg("thetas"), nb::arg("starts"), nb::arg("episode_limit"),
             nb::arg("tripod"), nb::arg("kernel") = "", nb::keep_alive<0, 1>())
        .def("follow", &Lanes::follow, nb::arg("course"), nb::arg("starts"), nb::arg("targets"), nb::arg("kernel") = "",
             nb::arg("watched") = true)
        .def("worlds", &Lanes::worlds, nb::arg("count"), nb::arg("tripod"), nb::arg("kernel") = "",
             nb::arg("threads") = 1);
    nb::class_<Worlds>(module, "Worlds")
        .def("__len__", &Worlds::count)
        .def("set_course", &Worlds::set_course)
        .def("reset", &reset)
        .def("step", &step)
        .def("seen", &seen)
        .def("get_state", &get_state)
        .def("set_state", &set_state);
    module.def("kernels", [] { return lanes::describe(kernels()); });
    module.attr("VERSION") = kVersion;
    module.attr("STATE_SIZE") = static_cast<int>(kStateSize);
}
